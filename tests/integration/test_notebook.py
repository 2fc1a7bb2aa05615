"""The notebook runs from its first cell to its last."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient


@pytest.mark.slow
def test_the_notebook_runs(repository: Path, tmp_path: Path) -> None:
    notebook = nbformat.read(repository / "docs" / "python.ipynb", as_version=4)  # type: ignore[no-untyped-call]
    client = NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(tmp_path)}})
    client.execute()
    printed = "".join(
        output.get("text", "") for cell in notebook.cells for output in cell.get("outputs", []) if "text" in output
    )
    assert "did you mean optim.lr?" in printed
    assert "tfidf_logreg" in printed
    assert (tmp_path / "runs" / "notebook" / "metrics.json").is_file()
