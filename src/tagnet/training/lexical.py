"""Lexical evidence is fitted after the encoder: words on training records, its weight beside the encoder on validation.

Shapes: N texts, V vocabulary, F token columns, P names, K tags; M validation texts.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from itertools import product

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize
from scipy.sparse import csr_matrix
from scipy.special import expit
from tokenizers import Tokenizer

from tagnet.config import TrainConfig
from tagnet.data.batches import collate
from tagnet.data.prepare import Prepared
from tagnet.data.tokens import TokenizedTexts
from tagnet.model.encoder import Encoder
from tagnet.model.lexical import (
    LARGEST_VOCABULARY,
    LONGEST_NAME,
    LexicalEvidence,
    LexicalWeights,
    hash_of,
    no_weights,
)
from tagnet.model.network import TaggerNetwork, max_over_windows
from tagnet.prediction.inference import compute_logits
from tagnet.records.plain_words import plain_words
from tagnet.records.tag_names import TagNames, names_of_tags

logger = logging.getLogger("tagnet")

_MOST_WEIGHTS = 50_000_000
"""K·F, of 4 bytes each; beyond it no word is weighed."""
_MOST_NAMES = 20_000
"""A text is compared with all names; beyond this many the later ones are left out: aliases of tags below, first."""
_MOST_CELLS = 4_000_000
"""Validation cells that the two weights are fitted on; more would change no digit that counts."""
_OFFSET_RIDGE = 30.0
_MOST_JOINED_FREELY = 3
"""Names of up to this many words are looked for with any mixture of blanks, hyphens and dots between them."""
_INSIDE, _OPENING = "##", ("Ġ", "▁")
"""What tokens of a WordPiece vocabulary begin with that continue a word; tokens of other kinds that open one."""
_FEWEST_MARKED = 2


def add_lexical(
    network: TaggerNetwork,
    encoder: Encoder,
    prepared: Prepared,
    tokens: TokenizedTexts,
    config: TrainConfig,
) -> None:
    """Fit lexical evidence and put it into a trained network, in place; not where validation says that it adds nothing.

    Args:
        network: on the device where its logits are computed.
        encoder: its tokenizer.
        prepared: labels, sides, taxonomy.
        tokens: of all texts.
        config: `trainer.eval_batch_size` and `run.seed`.
    """
    split, y_NK, seed = prepared.split, prepared.corpus.y_NK, config.run.seed
    names = names_of_tags(prepared.corpus.label_space.tags, prepared.corpus.taxonomy)
    weights = with_names(fit_words(tokens, split.train, y_NK, encoder.tokenizer, seed), names, encoder.tokenizer)
    val = tokens.take(split.val)
    size = config.trainer.eval_batch_size
    logits_MK = compute_logits(network, val, encoder.pad_id, batch_size=size)
    words_MK, names_MK = evidence_of_texts(LexicalEvidence(weights), val, encoder.pad_id, size)
    words, named = fit_weights(logits_MK, words_MK, names_MK, y_NK[split.val], seed)
    logger.info("lexical evidence: beside the encoder, words count %.2f and names of tags %.2f", words, named)
    if words > 0 or named > 0:
        network.lexical = weighted(weights, words, named).to(network.head.weight.device)


def evidence_of_texts(
    lexical: LexicalEvidence, texts: TokenizedTexts, pad_id: int, batch_size: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """What words say, and which tags are named, of N texts in their order: (N, K) each; of windows the most.

    Args:
        lexical: on the CPU.
        texts: N tokenized texts.
        pad_id: fills up the batches.
        batch_size: texts in a batch, and sequences that are looked at at once where texts have windows.
    """
    parts = []
    with torch.inference_mode():
        for first in range(0, len(texts), batch_size):
            batch = collate(texts, np.arange(first, min(first + batch_size, len(texts))), pad_id)
            pieces = zip(
                torch.split(batch.input_ids_ST, batch_size), torch.split(batch.mask_ST, batch_size), strict=True
            )
            said = [(lexical.words(ids_ST, mask_ST), lexical.named(ids_ST, mask_ST)) for ids_ST, mask_ST in pieces]
            both = [torch.cat(each) for each in zip(*said, strict=True)]
            if batch.text_of_S is not None:
                both = [max_over_windows(each, batch.text_of_S) for each in both]
            parts.append(both)
    words_NK, names_NK = (torch.cat(each).numpy() for each in zip(*parts, strict=True))
    return words_NK, names_NK


def fit_words(
    tokens: TokenizedTexts, train: NDArray[np.int64], y_NK: NDArray[np.uint8], tokenizer: Tokenizer, seed: int
) -> LexicalWeights:
    """A linear SVM for each tag on the TF-IDF of the training texts' tokens; no names yet.

    Tags that no training record bears, or all do, get no weights. Special tokens are no words.

    Args:
        tokens: of all N texts.
        train: the texts to learn from.
        y_NK: labels of all N texts.
        tokenizer: tells which tokens are special, and which continue a word.
        seed: of the solver.
    """
    vocabulary, num_tags = vocabulary_size(tokenizer), y_NK.shape[1]
    weights = no_weights(vocabulary, num_tags)._replace(continues_V=torch.from_numpy(continuing_tokens(tokenizer)))
    counts_NV = token_counts(tokens.take(train), vocabulary)
    special = [token for token, added in tokenizer.get_added_tokens_decoder().items() if added.special]
    seen_V = np.asarray(counts_NV.sum(0)).ravel() > 0
    seen_V[special] = False
    num_columns = int(seen_V.sum())
    if num_columns == 0 or num_columns * num_tags > _MOST_WEIGHTS:
        if num_columns:
            logger.info("words are not weighed: %d tokens for %d tags are too many", num_columns, num_tags)
        return weights
    # Read here: it is long to import, and the first training step need not wait for it.
    from sklearn.feature_extraction.text import TfidfTransformer
    from sklearn.svm import LinearSVC

    transformer = TfidfTransformer(sublinear_tf=True).fit(counts_NV[:, seen_V])
    tfidf_NF = transformer.transform(counts_NV[:, seen_V])
    y_train_NK = y_NK[train]
    positives_K = y_train_NK.sum(0, dtype=np.int64)
    word_weights_KF = np.zeros((num_tags, num_columns), dtype=np.float32)
    word_bias_K = np.zeros(num_tags, dtype=np.float32)
    for column in np.flatnonzero((positives_K > 0) & (positives_K < len(train))):
        classifier = LinearSVC(dual="auto", max_iter=10_000, random_state=seed).fit(tfidf_NF, y_train_NK[:, column])
        word_weights_KF[column], word_bias_K[column] = classifier.coef_[0], classifier.intercept_[0]
    column_of_token_V = np.zeros(vocabulary, dtype=np.int64)
    column_of_token_V[seen_V] = np.arange(1, num_columns + 1)
    return weights._replace(
        column_of_token_V=torch.from_numpy(column_of_token_V),
        idf_F=torch.from_numpy(transformer.idf_.astype(np.float32)),
        word_weights_KF=torch.from_numpy(word_weights_KF),
        word_bias_K=torch.from_numpy(word_bias_K),
    )


def with_names(weights: LexicalWeights, names: Sequence[TagNames], tokenizer: Tokenizer) -> LexicalWeights:
    """The same evidence with the names of the tags in it, each of weight 1.

    A name is looked for in small letters, with capitals and in capitals alone, with blanks, hyphens or dots between
    its words, with and without a plural s, and with and without a blank before it, as some tokenizers tell words by it.
    """
    if vocabulary_size(tokenizer) > LARGEST_VOCABULARY:
        logger.info("names of tags are not looked for: the tokenizer has more than %d tokens", LARGEST_VOCABULARY)
        return weights
    speaks_for: dict[str, list[int]] = {}
    for each in names:
        for name in each.names:
            for spelling in _spellings(name):
                speaks_for.setdefault(spelling, []).extend(each.columns)
    found: dict[tuple[int, int, int], None] = {}
    encodings = tokenizer.encode_batch(list(speaks_for), add_special_tokens=False)
    for columns, encoding in zip(speaks_for.values(), encodings, strict=True):
        if 0 < len(encoding.ids) <= LONGEST_NAME:
            found.update(dict.fromkeys((len(encoding.ids), hash_of(encoding.ids), column) for column in columns))
    if len(found) > _MOST_NAMES:
        logger.info("%d of %d spellings of names are looked for", _MOST_NAMES, len(found))
    kept = sorted(list(found)[:_MOST_NAMES])
    lengths = [length for length, _, _ in kept]
    return weights._replace(
        hash_of_name_P=torch.tensor([number for _, number, _ in kept], dtype=torch.int64),
        tag_of_name_P=torch.tensor([column for _, _, column in kept], dtype=torch.int64),
        names_of_length_L=torch.tensor([lengths.count(n) for n in range(1, LONGEST_NAME + 1)], dtype=torch.int64),
        name_weight=torch.tensor(1.0),
    )


def fit_weights(
    logits_MK: ArrayLike, words_MK: ArrayLike, names_MK: ArrayLike, y_MK: ArrayLike, seed: int
) -> tuple[float, float]:
    """How much words and names count beside the encoder's logits, each at least 0.

    A logistic regression on validation cells, all tags together: Σ BCE(a·logit + b·word + c·name + d_k) + ½ ridge
    Σ d_k², with a, b, c ≥ 0, as `shared_platt` is one with a alone. The answer is (b / a, c / a). Where the encoder
    itself has nothing to say (a = 0) it stays in, with what it says counted once.

    Args:
        logits_MK: of the encoder.
        words_MK: of the linear model on words.
        names_MK: 1 where a name of the tag stands in the text.
        y_MK: 0 and 1.
        seed: draws the records where there are more than are needed.

    >>> y_MK = np.array([[1], [0], [1], [0]] * 50)
    >>> words, names = fit_weights(np.zeros((200, 1)), np.zeros((200, 1)), y_MK * 1.0, y_MK, seed=0)
    >>> words, names > 1
    (0.0, True)
    """
    inputs = [np.asarray(each, dtype=np.float64) for each in (logits_MK, words_MK, names_MK)]
    y = np.asarray(y_MK, dtype=np.float64)
    num_tags = y.shape[1]
    most = max(1, _MOST_CELLS // max(1, num_tags))
    if len(y) > most:
        chosen = np.random.default_rng(seed).permutation(len(y))[:most]
        inputs, y = [each[chosen] for each in inputs], y[chosen]
    if not 0 < y.sum() < y.size:
        return 0.0, 0.0
    # Inputs of unit size: the optimizer's first step fits all alike.
    sizes = [float(np.sqrt((each**2).mean())) or 1.0 for each in inputs]
    inputs = [each / size for each, size in zip(inputs, sizes, strict=True)]

    def objective(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        slopes, base, offsets_K = parameters[:3], parameters[3], parameters[4:]
        z_MK = base + offsets_K + sum(slope * each for slope, each in zip(slopes, inputs, strict=True))
        # A trace of a ridge on the slopes: inputs that separate the cells would send them to infinity.
        value = (
            np.logaddexp(0, z_MK).sum()
            - (y * z_MK).sum()
            + 0.5 * (_OFFSET_RIDGE * (offsets_K**2).sum() + 1e-2 * (slopes**2).sum())
        )
        residual_MK = expit(z_MK) - y
        gradient = np.concatenate(
            [
                [(residual_MK * each).sum() + 1e-2 * slope for slope, each in zip(slopes, inputs, strict=True)],
                [residual_MK.sum()],
                residual_MK.sum(0) + _OFFSET_RIDGE * offsets_K,
            ]
        )
        return float(value), gradient

    start = np.concatenate([[1.0, 0.1, 0.1], [0.0], np.zeros(num_tags)])
    bounds = [(0.0, None)] * 3 + [(None, None)] * (1 + num_tags)
    found = minimize(objective, start, jac=True, bounds=bounds, method="L-BFGS-B", options={"maxiter": 500}).x
    slopes = found[:3] / np.array(sizes)
    unit = slopes[0] if slopes[0] > 0 else 1.0
    return float(slopes[1] / unit), float(slopes[2] / unit)


def weighted(weights: LexicalWeights, words: float, names: float) -> LexicalEvidence:
    """The evidence with both parts counted as `fit_weights` says."""
    return LexicalEvidence(
        weights._replace(
            word_weights_KF=weights.word_weights_KF * words,
            word_bias_K=weights.word_bias_K * words,
            name_weight=weights.name_weight * names,
        )
    )


def token_counts(tokens: TokenizedTexts, vocabulary: int) -> csr_matrix:
    """How often each token stands in each text: (N, V)."""
    starts = tokens.sequence_starts[tokens.text_starts]
    counts_NV = csr_matrix(
        (np.ones(len(tokens.token_ids)), tokens.token_ids.astype(np.int64), starts), shape=(len(tokens), vocabulary)
    )
    counts_NV.sum_duplicates()
    return counts_NV


def vocabulary_size(tokenizer: Tokenizer) -> int:
    """V: one more than the largest token id; ids may leave some numbers out."""
    return max(tokenizer.get_vocab().values(), default=-1) + 1


def continuing_tokens(tokenizer: Tokenizer) -> NDArray[np.bool_]:
    """Which tokens continue the word of the token before them, (V,); of unknown kinds of tokenizers none does.

    The mark that most tokens bear says what kind it is: a byte-level vocabulary has tokens such as `##`, too.
    """
    vocabulary = tokenizer.get_vocab()
    continues_V = np.zeros(vocabulary_size(tokenizer), dtype=np.bool_)
    borne = {mark: sum(token.startswith(mark) for token in vocabulary) for mark in (_INSIDE, *_OPENING)}
    mark = max(borne, key=borne.__getitem__)
    if borne[mark] < _FEWEST_MARKED:
        return continues_V
    for token, number in vocabulary.items():
        marked = token.startswith(mark)
        # Where a mark opens words, all else that begins with a letter or figure goes on with one.
        continues_V[number] = marked if mark == _INSIDE else token[:1].isalnum() and not marked
    return continues_V


def _spellings(name: str) -> list[str]:
    words = plain_words(name).split()
    if not words:
        return []
    if len(words) <= _MOST_JOINED_FREELY:
        joints = list(product((" ", "-", "."), repeat=len(words) - 1))
    else:
        joints = [(" ",) * (len(words) - 1), ("-",) * (len(words) - 1)]
    found = []
    for between in joints:
        joined = words[0] + "".join(joint + word for joint, word in zip(between, words[1:], strict=True))
        for ending in ("", "s"):
            whole = joined + ending
            found += [whole, whole.capitalize(), whole.title(), joined.upper() + ending]
    return [spelling for each in dict.fromkeys(found) for spelling in (each, f" {each}")]
