"""Features are cut and joined without loss."""

import torch
from torch.nn import functional

from retrieval.model import Features
from tests.support.encoders import random_features


def test_features_are_cut_and_joined_without_loss():
    a, b = random_features(2, 3, 4, 0), random_features(3, 5, 4, 1)
    joined = Features.cat([a, b])
    assert joined.tokens.shape == (5, 5, 4)
    assert torch.equal(joined[:2].trim(3).tokens, a.tokens)
    assert not joined.mask[:2, 3:].any()
    assert torch.equal(joined.take(torch.tensor([4, 2])).pooled, b.pooled[[2, 0]])
    assert torch.equal(functional.normalize(joined[2:].pooled), functional.normalize(b.pooled))
