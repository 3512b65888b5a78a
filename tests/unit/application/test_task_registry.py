"""Where a stored task id may lead."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

from pynenc.exceptions import TaskNotFoundError


def test_a_stored_task_id_leads_into_the_package_of_the_app_only(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for package in ("shop_project", "shop_project_2"):
        folder = tmp_path / package
        folder.mkdir()
        (folder / "__init__.py").write_text("")
        (folder / "jobs.py").write_text("import sys\nsys.shop_was_imported = __name__\n")
    (tmp_path / "shop_project" / "app.py").write_text(
        "from pynenc import Pynenc\napp = Pynenc({'app_id': 'shop-project'})\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    app = importlib.import_module("shop_project.app").app
    monkeypatch.setattr(sys, "shop_was_imported", "", raising=False)
    for key in ("shop_project_2.jobs.work", "this.s", "antigravity.fly"):
        with pytest.raises(TaskNotFoundError, match="allowed_task_packages"):
            app.find_task(key)
    assert (sys.shop_was_imported, "this" in sys.modules) == ("", False)  # type: ignore[attr-defined]
    with pytest.raises(TaskNotFoundError, match="is not known here"):
        app.find_task("shop_project.jobs.work")
    assert sys.shop_was_imported == "shop_project.jobs"  # type: ignore[attr-defined]


def test_a_flat_project_needs_no_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    flat, other = tmp_path / "flat", tmp_path / "other"
    flat.mkdir()
    other.mkdir()
    (flat / "flat_app.py").write_text("from pynenc import Pynenc\napp = Pynenc({'app_id': 'flat'})\n")
    (flat / "flat_jobs.py").write_text(
        "from flat_app import app\n@app.task\ndef work() -> int:\n    return 1\n"
    )
    (other / "other_jobs.py").write_text("raise AssertionError('it was imported')\n")
    monkeypatch.syspath_prepend(str(other))
    monkeypatch.syspath_prepend(str(flat))
    app = importlib.import_module("flat_app").app
    assert app.find_task("flat_jobs.work").func() == 1
    with pytest.raises(TaskNotFoundError, match="package or folder of the app"):
        app.find_task("other_jobs.work")
