"""Serializers: values to text and back."""
