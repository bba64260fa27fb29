import pytest
import torch

from sslviz.methods.parts.token_predictor import TokenPredictor
from sslviz.runtime.random_state import seeded

from ..toys import normal


def a_predictor():
    with seeded(0):
        return TokenPredictor(8, 5, 4, 32, 2).eval()


@torch.no_grad()
def test_it_answers_in_the_order_it_is_asked_whatever_the_order_it_was_told_in():
    predictor, tokens = a_predictor(), normal(2, 1 + 3, 8)
    seen, asked = torch.tensor([[0, 5, 9], [3, 2, 1]]), torch.tensor([[4, 6], [15, 0]])
    answers = predictor(tokens, seen, asked)
    assert answers.shape == (2, 2, 5)
    torch.testing.assert_close(predictor(tokens, seen, asked.flip(1)), answers.flip(1), rtol=1e-4, atol=1e-5)
    turned = torch.cat([tokens[:, :1], tokens[:, 1:].flip(1)], 1)
    torch.testing.assert_close(predictor(turned, seen.flip(1), asked), answers, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_places_and_prefix_tokens_matter():
    predictor, tokens = a_predictor(), normal(1, 1 + 3, 8)
    seen, asked = torch.tensor([[0, 5, 9]]), torch.tensor([[4, 6]])
    answers = predictor(tokens, seen, asked)
    assert not torch.allclose(answers[:, 0], answers[:, 1])
    assert not torch.allclose(predictor(tokens, seen + 1, asked), answers)
    assert not torch.allclose(predictor(torch.cat([-tokens[:, :1], tokens[:, 1:]], 1), seen, asked), answers)


def test_positions_tell_all_places_apart_and_are_fixed():
    predictor = a_predictor()
    assert torch.cdist(predictor.positions, predictor.positions).add(torch.eye(16)).min() > 0.1
    assert "positions" in dict(predictor.named_buffers())


def test_widths_that_no_head_divides_are_refused():
    with pytest.raises(ValueError, match="width"):
        TokenPredictor(8, 5, 4, 48, 1)
