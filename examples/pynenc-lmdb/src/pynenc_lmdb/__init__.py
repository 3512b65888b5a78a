"""LMDB backend for pynenc: the worked example of the manual."""
