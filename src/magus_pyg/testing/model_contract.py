"""What every base recommender must do: a model's test class inherits `ModelContract` and names its options."""

from dataclasses import replace
from functools import partial
from typing import Any, ClassVar

import pytest
import torch

from magus_pyg.errors import ModelError, RunError
from magus_pyg.models import (
    Candidates,
    Interactions,
    ModelOptions,
    build_model,
    load_model,
    save_model,
)
from magus_pyg.ragged import Ragged
from magus_pyg.testing.small_log import (
    COMBINATIONS,
    ITEM_WORDS,
    TRAIN,
    USER_PROFILES,
    interactions,
    small_data,
    small_features,
)
from magus_pyg.training import TrainOptions, fit
from magus_pyg.training.loader import whole_batch


class ModelContract:
    """Inherit, and set `options`; a graph model overrides `graph`."""

    options: ClassVar[ModelOptions]
    train_options: ClassVar[TrainOptions] = TrainOptions(epochs=3, batch_size=5, lr=1e-2, accelerator="cpu")
    all_users = torch.arange(len(USER_PROFILES))
    all_items = torch.arange(len(ITEM_WORDS))

    @classmethod
    def graph(cls) -> Any:
        """The relational graph of the small items, for models that read it."""
        return None

    @classmethod
    def build(cls, seed: int = 0, rows: Interactions | None = None) -> Any:
        """An untrained model over the small features."""
        rows = interactions(TRAIN) if rows is None else rows
        return build_model(cls.options, small_features(), cls.graph(), rows, seed)

    @classmethod
    def trained(cls, seed: int = 0) -> Any:
        """A model after a few epochs on the small rows."""
        model = cls.build(seed)
        fit(model, small_data(), cls.train_options, seed, progress=False)
        return model

    @pytest.fixture(scope="class")
    @classmethod
    def model(cls) -> Any:
        """One trained model for all tests of the class."""
        return cls.trained()

    @classmethod
    def build_with_weights(cls) -> Any:
        """An untrained model; skips the test where there is no weight to learn."""
        model = cls.build()
        if not model.trainable:
            assert not list(model.parameters())
            pytest.skip("no weights to learn")
        return model

    def test_scores_of_a_batch_are_those_of_its_rows(self, model: Any) -> None:
        scores = model.score(self.all_users, self.all_items)
        assert scores.shape == (8, 10)
        assert scores.dtype == torch.float32
        for user in self.all_users:
            torch.testing.assert_close(model.score(user[None], self.all_items)[0], scores[user])
        for item in self.all_items:
            torch.testing.assert_close(model.score(self.all_users, item[None])[:, 0], scores[:, item])

    def test_empty_batches(self, model: Any) -> None:
        none = torch.empty(0, dtype=torch.int64)
        assert model.score(none, self.all_items).shape == (0, 10)
        assert model.score(self.all_users, none).shape == (8, 0)
        assert model.score(none, none.view(0, 4)).shape == (0, 4)
        assert model.score(self.all_users, none.view(8, 0)).shape == (8, 0)
        assert model.score_words(none, COMBINATIONS).shape == (0, 4)
        assert model.score_words(self.all_users, Ragged.from_lists([])).shape == (8, 0)
        assert model(none, none).shape == (0,)

    def test_score_is_forward(self, model: Any) -> None:
        model.eval()
        with torch.no_grad():
            rows = model(self.all_users.repeat_interleave(10), self.all_items.repeat(8))
        torch.testing.assert_close(model.score(self.all_users, self.all_items), rows.view(8, 10).float())

    def test_own_items_score_as_shared_items_and_pads_are_minus_infinity(self, model: Any) -> None:
        scores = model.score(self.all_users, self.all_items)
        own = torch.stack([self.all_items.roll(int(user)) for user in self.all_users])
        own[3, 4] = own[7, 0] = -1
        scored = model.score(self.all_users, own)
        expected = scores.gather(1, own.clamp(min=0)).masked_fill(own < 0, float("-inf"))
        torch.testing.assert_close(scored, expected)
        shared = model.score(self.all_users, torch.tensor([-1, 2]))
        assert bool((shared[:, 0] == float("-inf")).all())
        torch.testing.assert_close(shared[:, 1], scores[:, 2])

    def test_word_combinations_are_scored(self, model: Any) -> None:
        scores = model.score_words(self.all_users, COMBINATIONS)
        assert scores.shape == (8, 4)
        assert bool(torch.isfinite(scores).all())
        torch.testing.assert_close(
            model.score_words(self.all_users[2:3], COMBINATIONS.select(torch.tensor([3, 1]))), scores[2:3, [3, 1]]
        )
        # The order of the words of a combination says nothing.
        torch.testing.assert_close(model.score_words(self.all_users, Ragged.from_lists([[0, 3, 4]])), scores[:, 3:])

    def test_cold_users_and_items_score_by_their_features(self, model: Any) -> None:
        scores = model.score(self.all_users, self.all_items)
        assert bool(torch.isfinite(scores).all())
        torch.testing.assert_close(scores[6], scores[7])
        torch.testing.assert_close(scores[:, 8], scores[:, 9])

    def test_scoring_leaves_the_model_as_it_was(self, model: Any) -> None:
        for mode in (True, False):
            model.train(mode)
            next(iter(model.children()), model).training = False
            modes = [module.training for module in model.modules()]
            assert not model.score(self.all_users, self.all_items).requires_grad
            assert not model.score_words(self.all_users, COMBINATIONS).requires_grad
            assert [module.training for module in model.modules()] == modes
        model.eval()

    def test_the_same_seed_gives_the_same_model(self) -> None:
        first, second = self.trained(3), self.trained(3)
        assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
        assert torch.equal(first.score(self.all_users, self.all_items), second.score(self.all_users, self.all_items))
        other = self.trained(4)
        same = [torch.equal(a, b) for a, b in zip(first.parameters(), other.parameters(), strict=True)]
        assert not all(same) or not first.trainable

    def test_training_reaches_every_parameter(self) -> None:
        model = self.build_with_weights().train()
        model.observe(interactions(TRAIN))
        columns = interactions(TRAIN)
        torch.manual_seed(0)
        logits, penalty, further = model.training_terms(whole_batch(columns))
        (logits.square().sum() + logits.sum() + penalty + further).backward()
        for name, parameter in model.named_parameters():
            assert parameter.grad is not None, name
            assert bool(torch.isfinite(parameter.grad).all()), name

    def test_later_rows_do_not_change_earlier_logits(self) -> None:
        if not self.build().needs_history:
            pytest.skip("reads no history")
        early = [(0, 0, 1), (1, 2, 1), (0, 1, 1), (0, 3, 0), (1, 3, 1), (2, 4, 1)]
        logits, taken = [], torch.arange(len(early))
        for late in ([(0, 5, 1), (1, 6, 1), (2, 7, 1)], [(2, 0, 0), (1, 3, 1), (0, 2, 1), (0, 7, 1), (3, 1, 1)]):
            rows = interactions(early + late)
            model = self.build(0, rows).eval()
            batch = whole_batch(rows)
            with torch.no_grad():
                logits.append(model.training_terms(batch._replace(**{
                    name: column[taken] for name, column in batch._asdict().items()
                })).logits)  # fmt: skip
            # All of the history counts where no row says otherwise.
            assert not torch.allclose(model(batch.user[taken], batch.item[taken]), logits[-1])
        torch.testing.assert_close(logits[0], logits[1])

    def test_other_histories_are_read_with_the_same_weights(self) -> None:
        model = self.trained(0)
        before = model.score(self.all_users, self.all_items)
        rows = interactions([*TRAIN, (0, 5, 1), (1, 6, 1), (2, 7, 1), (3, 8, 0)])
        other = model.with_history(rows)
        if model.needs_history:
            built = self.build(0, rows)
            built.load_state_dict(model.state_dict())
            expected = built.eval().score(self.all_users, self.all_items)
            assert not torch.allclose(expected, before)
            assert torch.equal(other.score(self.all_users, self.all_items), expected)
        assert torch.equal(model.score(self.all_users, self.all_items), before)
        assert all(one is two for one, two in zip(model.parameters(), other.parameters(), strict=True))

    def test_a_log_without_order(self) -> None:
        model = self.build()
        data = small_data()
        unordered = replace(data.train, ordered=False)
        if not model.needs_history:
            fit(model, replace(data, train=unordered), self.train_options, progress=False)
            return
        with pytest.raises(ModelError, match="order"):
            self.build(0, unordered)
        with pytest.raises(ModelError, match="order"):
            fit(model, replace(data, train=unordered), self.train_options, progress=False)
        with pytest.raises(ModelError, match="other training rows"):
            fit(model, replace(data, train=data.train.take(torch.arange(7))), self.train_options, progress=False)

    def test_mixed_precision_trains(self) -> None:
        model = self.build()
        options = replace(self.train_options, precision="bf16-mixed")
        result = fit(model, small_data(), options, progress=False)
        assert result.history["train_loss"].between(0, 10).all()
        assert all(parameter.dtype == torch.float32 for parameter in model.parameters())

    @pytest.mark.parametrize("made", ["by default", "converted"])
    def test_double_precision(self, made: str, model: Any) -> None:
        kept = torch.get_default_dtype()
        try:
            if made == "by default":
                torch.set_default_dtype(torch.float64)
            double = self.build().double()
            double.load_state_dict(model.state_dict())
            torch.testing.assert_close(
                double.score(self.all_users, self.all_items), model.score(self.all_users, self.all_items)
            )
            fit(double, small_data(), replace(self.train_options, epochs=1), progress=False)
        finally:
            torch.set_default_dtype(kept)
        assert all(parameter.dtype == torch.float64 for parameter in double.parameters())

    def test_sparse_updates_take_the_same_first_step(self) -> None:
        models = []
        for sparse in ("always", "never"):
            model = self.build()
            options = replace(self.train_options, epochs=1, batch_size=100, sparse=sparse)
            fit(model, small_data(), options, progress=False)
            models.append(model)
        for (name, first), second in zip(models[0].named_parameters(), models[1].parameters(), strict=True):
            torch.testing.assert_close(first, second, msg=partial("{}: {}".format, name))

    def test_probabilities(self, model: Any) -> None:
        items = self.all_items.expand(8, 10).clone()
        items[2, 3] = -1
        scores, probability = model.score(self.all_users, items), model.probability(self.all_users, items)
        assert probability.shape == (8, 10)
        scale, shift = model.calibration
        there = items >= 0
        torch.testing.assert_close(probability[there], (scale * scores[there] + shift).sigmoid())
        assert probability[2, 3] == 0

    def test_save_and_load(self, tmp_path: Any) -> None:
        model = self.trained(3)
        path = tmp_path / "model.safetensors"
        save_model(model, path, "small")
        again = load_model(path, small_features(), self.graph(), interactions(TRAIN), data_fingerprint="small")
        assert again.options == model.options
        assert torch.equal(again.calibration, model.calibration)
        assert torch.equal(again.score(self.all_users, self.all_items), model.score(self.all_users, self.all_items))
        path.write_bytes(path.read_bytes()[:-7])
        with pytest.raises(RunError, match="damaged"):
            load_model(path, small_features(), self.graph(), interactions(TRAIN))

    @pytest.mark.parametrize("bad", [-1, 8])
    def test_users_out_of_range(self, model: Any, bad: int) -> None:
        with pytest.raises(ModelError, match=f"user index {bad}"):
            model.score(torch.tensor([0, bad]), self.all_items)

    @pytest.mark.parametrize("bad", [-2, 10])
    def test_items_out_of_range(self, model: Any, bad: int) -> None:
        with pytest.raises(ModelError, match=f"item index {bad}"):
            model.score(self.all_users, torch.tensor([0, bad]))
        with pytest.raises(ModelError, match=f"item index {bad}"):
            model.score(self.all_users[:1], torch.tensor([[0, bad]]))

    def test_words_out_of_range(self, model: Any) -> None:
        with pytest.raises(ModelError, match="word index 5"):
            model.score_words(self.all_users, Ragged.from_lists([[0, 5]]))

    def test_wrong_shapes_and_types(self, model: Any) -> None:
        with pytest.raises(ModelError, match=r"\[8\] and \[3, 2\]"):
            model.score(self.all_users, torch.zeros(3, 2, dtype=torch.int64))
        with pytest.raises(ModelError, match=r"float32"):
            model.score(self.all_users, torch.zeros(3))

    def test_broken_weights_are_named(self) -> None:
        model = self.build_with_weights()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.fill_(float("nan"))
        with pytest.raises(ModelError, match=r"user 2 against candidate 5 as nan"):
            model.score(torch.tensor([2]), torch.tensor([5]))

    def test_embeddings(self, model: Any) -> None:
        if not model.has_embeddings:
            with pytest.raises(ModelError, match="no embeddings"):
                model.user_embedding(self.all_users)
            return
        left, right = model.user_embedding(self.all_users), model.item_embedding(self.all_items)
        queries = model.query_embedding(COMBINATIONS)
        assert left.shape[1] == right.shape[1] == queries.shape[1]
        assert (len(left), len(right), len(queries)) == (8, 10, 4)
        assert not left.requires_grad
        assert not right.requires_grad
        torch.testing.assert_close(left @ right.T, model.score(self.all_users, self.all_items))
        torch.testing.assert_close(left @ queries.T, model.score_words(self.all_users, COMBINATIONS))
        assert torch.equal(model.item_embedding(torch.tensor([7, 7, 0])), right[[7, 7, 0]])
        assert model.user_embedding(self.all_users[:0]).shape == (0, left.shape[1])

    def test_changed_weights_change_the_scores(self) -> None:
        model = self.build_with_weights().eval()
        before = model.score(self.all_users, self.all_items)
        generator = torch.Generator().manual_seed(1)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(torch.randn(parameter.shape, generator=generator))
        after = model.score(self.all_users, self.all_items)
        assert not torch.allclose(before, after)
        with torch.no_grad():
            rows = model(self.all_users.repeat_interleave(10), self.all_items.repeat(8))
        torch.testing.assert_close(after, rows.view(8, 10).float(), rtol=1e-4, atol=1e-4)

    @pytest.mark.parametrize("fused", [True, False])
    def test_scores_follow_a_training_loop(self, fused: bool) -> None:
        # A fused optimiser leaves no trace on the weights' version counters.
        model, rows = self.build_with_weights().eval(), interactions(TRAIN)
        optimizer = torch.optim.Adam(model.parameters(), lr=0.1, fused=fused)
        for _ in range(2):
            model.score(self.all_users, self.all_items)
            model(rows.user, rows.item).sum().backward()
            model.score(self.all_users, self.all_items)
            optimizer.step()
            optimizer.zero_grad()
            with torch.no_grad():
                rows_again = model(self.all_users.repeat_interleave(10), self.all_items.repeat(8))
                state = self.build()
                state.load_state_dict(model.state_dict())
                fresh = state.eval()(self.all_users.repeat_interleave(10), self.all_items.repeat(8))
            torch.testing.assert_close(rows_again, fresh, rtol=1e-4, atol=1e-4)
            scores = model.score(self.all_users, self.all_items)
            torch.testing.assert_close(scores, fresh.view(8, 10).float(), rtol=1e-4, atol=1e-4)

    def test_features_of_nodes(self, model: Any) -> None:
        candidates = Candidates.of_items(self.all_items, model.item_words)
        if not model.has_features:
            with pytest.raises(ModelError, match="no candidate features"):
                model.candidate_features(candidates)
            return
        features = model.candidate_features(candidates)
        users = model.user_features(self.all_users)
        assert len(users) == 8
        assert len(features) == 10
        assert features.dtype == users.dtype == torch.float32
        assert not features.requires_grad
        assert not users.requires_grad
        words = Candidates.of_words(COMBINATIONS, len(ITEM_WORDS))
        assert model.candidate_features(words).shape == (4, features.shape[1])
        assert bool(torch.isfinite(features).all())
        torch.testing.assert_close(users[6], users[7])

    @pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device, and torch sees none")
    def test_scores_on_cuda_follow_the_inputs(self, model: Any) -> None:
        scores = model.score(self.all_users, self.all_items)
        moved = self.build().cuda()
        moved.load_state_dict(model.state_dict())
        torch.testing.assert_close(moved.score(self.all_users, self.all_items), scores, rtol=1e-4, atol=1e-4)
        assert moved.score(self.all_users.cuda(), self.all_items.cuda()).is_cuda
