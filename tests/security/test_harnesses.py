"""The harnesses of coverage-guided fuzzing, over the committed corpus and over the same changes to it each time."""

from __future__ import annotations

import random
from zlib import crc32

import pytest

from tests.security import fuzz
from tests.security.coverage_fuzz import CORPUS, NAMES, WORDS, vectors_for
from tests.security.harnesses import HARNESSES

CHANGES = 300
CASES = [(name, path) for name in NAMES for path in sorted((CORPUS / name).iterdir())]


@pytest.mark.parametrize(("name", "path"), CASES, ids=[f"{name} {path.stem}" for name, path in CASES])
def test_a_case_of_the_corpus_holds(name: str, path: object) -> None:
    HARNESSES[name]((CORPUS / name / str(path)).read_bytes())


@pytest.mark.parametrize("name", ["text", "publications", "updates"])
def test_the_specifications_own_examples_hold(name: str) -> None:
    examples = vectors_for(name)
    assert len(examples) > 10
    for data in examples:
        HARNESSES[name](data)


@pytest.mark.parametrize("name", NAMES)
def test_changes_of_the_corpus_hold(name: str) -> None:
    chance = random.Random(crc32(name.encode()))
    seeds = [seed for seed in fuzz.corpus(name) + vectors_for(name) if len(seed) < 2000]
    for _ in range(CHANGES):
        HARNESSES[name](fuzz.mutated(chance, chance.choice(seeds), (*fuzz.PIECES, *fuzz.HTTP_PIECES)))


def test_every_harness_has_its_corpus_and_is_run() -> None:
    assert set(HARNESSES) == set(NAMES)
    assert {path.name for path in CORPUS.iterdir()} == set(NAMES)
    assert {path.stem for path in WORDS.iterdir()} <= set(NAMES)
