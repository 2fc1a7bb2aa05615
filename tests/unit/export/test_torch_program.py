"""model.pt2 in a PyTorch that has neither tagnet nor transformers."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tagnet.bundle import Bundle, load_network
from tagnet.export.torch_program import write_torch_program
from tagnet.prediction.tagger import Tagger

SCRIPT = """
import json, sys
class Gone:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("tagnet", "transformers"): raise ModuleNotFoundError(name, name=name)
sys.meta_path.insert(0, Gone())
import tokenizers, torch
model = torch.export.load("model.pt2").module()
tokenizer = tokenizers.Tokenizer.from_file("tokenizer.json")
tokenizer.no_padding(), tokenizer.enable_truncation(json.load(open("tagnet.json"))["text"]["max_tokens"])
made = []
for text in json.loads(sys.argv[1]):
    ids = torch.tensor([tokenizer.encode(text).ids])
    probabilities, accepted = model(ids, torch.ones_like(ids))
    made.append([probabilities[0].tolist(), accepted[0].tolist()])
print(json.dumps(made))
"""


def test_a_program_needs_torch_alone(write_tiny_bundle: Callable[..., Bundle], tmp_path: Path) -> None:
    bundle = write_tiny_bundle()
    folder = tmp_path / "program"
    folder.mkdir()
    write_torch_program(bundle, load_network(bundle), folder)
    texts = ["", "a tiny sql engine", "graph " * 60]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SCRIPT, json.dumps(texts)],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    probs_NK, accepted_NK = (np.array(each) for each in zip(*json.loads(done.stdout), strict=True))
    expected_NK = Tagger.load(bundle.folder, "cpu").probabilities(texts)
    np.testing.assert_allclose(probs_NK, expected_NK, atol=1e-6, rtol=0)
    assert (accepted_NK == bundle.rule.accept(expected_NK)).all()
