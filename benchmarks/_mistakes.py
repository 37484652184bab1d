"""The mistakes that `mistakes.py` plants, each with the tests that should notice."""

from dataclasses import dataclass

__all__ = ["KINDS", "MISTAKES", "Mistake"]


@dataclass(frozen=True)
class Mistake:
    """One mistake.

    Attributes:
        name: what is wrong.
        file: of `src/magus_pyg`.
        before, after: the text, which stands there once, and what takes its place.
        tests: the tests that should notice.
        harmless: why it changes nothing that can be seen; "" where it does.
    """

    name: str
    file: str
    before: str
    after: str
    tests: str
    harmless: str = ""


_TRAINING = "tests/training"
_RIVALS = "tests/agents/rivals tests/agents/test_methods.py tests/experiment/test_pipeline_variants.py"
_VARIANTS = "tests/agents/test_variant_fitting.py tests/agents tests/experiment/test_pipeline_variants.py"
_FITS = "tests/experiment/test_agent_plays_fits.py"
_LATER = "tests/experiment/test_agent_plays_later_rows.py"
_BAYES = "tests/agents/bayes"
_MAGUS = "tests/agents --ignore=tests/agents/bayes --ignore=tests/agents/rivals"
_NN = "tests/nn"
_GRAPH = "tests/graph"
_DATA = "tests/data"
_PLAY = "tests/simulation"
_REPORT = "tests/report"
_ONLINE = "tests/online"
_MODELS = "tests/models tests/training"

KINDS = {
    "fitted on the wrong rows or sessions": (
        Mistake(
            "train and validation rows swapped in the training of node features",
            "agents/variant_fitting.py",
            "for part in (rows.train, rows.validation)]",
            "for part in (rows.validation, rows.train)]",
            _FITS,
        ),
        Mistake(
            "variants judged on training sessions",
            "agents/variant_fitting.py",
            'sessions = context.sessions("validation")',
            'sessions = context.sessions("train")',
            _FITS,
        ),
        Mistake(
            "rivals judged on training sessions",
            "agents/rivals/rival_fitting.py",
            'sessions = context.sessions("validation", context.rivals.per_user)',
            'sessions = context.sessions("train", context.rivals.per_user)',
            _FITS,
        ),
        Mistake(
            "agents may be fitted on the test",
            "experiment/agent_plays.py",
            'if part not in ("train", "validation"):',
            'if part not in ("train", "validation", "test"):',
            "tests/experiment",
        ),
        Mistake(
            "the belief of training sessions gets the temperature of validation",
            "agents/rivals/rival_fitting.py",
            "return _Lessons(sessions, fit_belief_calibration(sessions.prepared).temperature, _judge(context, plans))",
            "return _Lessons("
            "sessions, fit_belief_calibration(_validation(context)).temperature, _judge(context, plans))",
            _FITS,
        ),
        Mistake(
            "the final recurrent plays with the temperature of its training sessions",
            "agents/rivals/rival_fitting.py",
            "return fit_belief_calibration(prepared).temperature if len(prepared) else other",
            "return other",
            _FITS,
        ),
        Mistake(
            "the models of folds are trained on the fold",
            "training/folds.py",
            "rows = data.train.take(fold != number)",
            "rows = data.train",
            "tests/training/test_folds.py tests/training",
        ),
        Mistake(
            "the guard of folds looks at users alone",
            "training/folds.py",
            "seen = torch.isin(key, rows.user * base + rows.item) & (sessions.candidates >= 0)",
            "seen = torch.zeros_like(key, dtype=torch.bool)",
            "tests/training/test_folds.py tests/training",
        ),
        Mistake(
            "folds split by user alone",
            "training/folds.py",
            "return integers(folds, seed, _FOLD, user, item)",
            "return integers(folds, seed, _FOLD, user, user)",
            "tests/training/test_folds.py tests/training",
        ),
        Mistake(
            "the calibration is fitted on the training labels' logits of the last epoch kept before",
            "training/epochs.py",
            "self.calibration = self.model.calibrate(self._found, self._held_out.label)",
            "self.calibration = self.calibration or self.model.calibrate(self._found, self._held_out.label)",
            _MODELS,
        ),
    ),
    "the wrong weights kept": (
        Mistake(
            "the last epoch is kept, not the best",
            "training/descent.py",
            "if stopping.update(epoch, judge(epoch, descent.epoch(epoch, losses(epoch)))):",
            "if stopping.update(epoch, judge(epoch, descent.epoch(epoch, losses(epoch)))) or True:",
            "tests/training tests/agents",
        ),
        Mistake(
            "patience off by one",
            "training/stopping.py",
            "return self.waited >= self.patience",
            "return self.waited > self.patience",
            "tests/training tests/agents",
        ),
        Mistake(
            "stops by the training loss",
            "training/epochs.py",
            'return row["val_auc" if self.options.stop_on == "auc" else "val_loss"]',
            'return row["val_auc" if self.options.stop_on == "auc" else "train_loss"]',
            _TRAINING,
        ),
        Mistake(
            "node features stop by the training loss",
            "agents/weights.py",
            "range(options.epochs), held_out_loss, stopping, present, kept)",
            "range(options.epochs), lambda epoch, loss: loss, stopping, present, kept)",
            _MAGUS,
        ),
        Mistake(
            "ear's estimation stops by the training loss",
            "agents/rivals/estimation.py",
            "        return found\n\n    stopping = EarlyStopping(options.patience, maximise=False)",
            "        return loss\n\n    stopping = EarlyStopping(options.patience, maximise=False)",
            _RIVALS,
        ),
        Mistake(
            "a policy keeps the worst objective",
            "agents/rivals/policy_training.py",
            "stopping = EarlyStopping(options.patience, maximise=True)",
            "stopping = EarlyStopping(options.patience, maximise=False)",
            _RIVALS,
        ),
        Mistake(
            "patience is not renewed between imitation and gradient",
            "agents/rivals/policy_training.py",
            "        stopping.renew()\n",
            "",
            _RIVALS,
        ),
        Mistake(
            "the learning rate follows the training loss",
            "training/epochs.py",
            'self._scheduler.step(self.history[-1]["val_loss"])',
            'self._scheduler.step(self.history[-1]["train_loss"])',
            _TRAINING,
        ),
        Mistake(
            "the best of the fitted weight forms is the last",
            "agents/judging.py",
            "return best(1)[0], table",
            "return tried[-1][2], table",
            _MAGUS,
        ),
        Mistake(
            "bayes takes the trial with the lowest objective",
            "agents/bayes/belief_fitting.py",
            "return max(trials, key=lambda state: self._mean(state, parts))",
            "return min(trials, key=lambda state: self._mean(state, parts))",
            _BAYES,
        ),
    ),
    "training": (
        Mistake(
            "no gradient is cleared",
            "training/descent.py",
            "            self.optimizer.zero_grad()\n",
            "",
            "tests/training tests/agents/rivals",
        ),
        Mistake(
            "gradients are not clipped",
            "training/descent.py",
            "if self.clip is not None:",
            "if False:",
            "tests/training tests/agents/rivals",
        ),
        Mistake(
            "weight decay has no effect",
            "training/epochs.py",
            "return entropy + further + weight_decay * penalty, entropy.detach()",
            "return entropy + further + 0.0 * penalty, entropy.detach()",
            _MODELS,
        ),
        Mistake(
            "a model's own loss is left out",
            "training/epochs.py",
            "return entropy + further + weight_decay * penalty, entropy.detach()",
            "return entropy + weight_decay * penalty, entropy.detach()",
            _MODELS,
        ),
        Mistake(
            "a resumed training forgets the patience spent",
            "training/epochs.py",
            '            self.stopping.load_state_dict(state["stopping"])\n',
            "",
            _TRAINING,
        ),
        Mistake(
            "a resumed training forgets the optimiser's moments",
            "training/epochs.py",
            '            self._optimizer.load_state_dict(self._resumed["optimizer"])\n',
            "",
            _TRAINING,
        ),
        Mistake(
            "ear's second loss is left out",
            "agents/rivals/estimation.py",
            "loss = _mean(gap, others) + _mean(gap, others & fits)",
            "loss = _mean(gap, others)",
            _RIVALS,
        ),
        Mistake(
            "reflection pulls the wrong way",
            "agents/rivals/estimation.py",
            "session = torch.where(moves, session + rate * step, session)",
            "session = torch.where(moves, session - rate * step, session)",
            _RIVALS,
        ),
        Mistake(
            "giving up costs nothing",
            "agents/rivals/policy_training.py",
            "reward = reward + torch.where(active & over, options.quit, 0.0)",
            "reward = reward + torch.where(active & over, 0.0 * options.quit, 0.0)",
            _RIVALS,
        ),
        Mistake(
            "the baseline of the gradient holds the play itself",
            "agents/rivals/policy_training.py",
            "return (value - value.mean(0)) * (count / (count - 1))",
            "return value - value.mean(0)",
            _RIVALS,
        ),
    ),
    "planning": (
        Mistake(
            "the second query of a list is chosen as if those above were not refused",
            "agents/bayes/planning.py",
            "asking = asking.after(no, place == self.n - k - 1, (k,))",
            "asking = asking.after(no if place else asking.units, place == self.n - k - 1, (k,))",
            _BAYES,
        ),
        Mistake(
            "no more than two queries are weighed",
            "agents/bayes/planning.py",
            "_MOST_QUERIES = 4",
            "_MOST_QUERIES = 2",
            _BAYES,
        ),
        Mistake(
            "the first of equal lists has the fewest items",
            "agents/bayes/planning.py",
            "best = (value > value.amax(0) - _TOLERANCE).to(torch.int64).argmax(0)",
            "best = len(plans) - 1 - (value > value.amax(0) - _TOLERANCE).to(torch.int64).flip(0).argmax(0)",
            _BAYES,
        ),
        Mistake(
            "items beside queries displace nothing",
            "agents/bayes/planning.py",
            "gain = whole - weighted(lost)",
            "gain = whole + 0 * weighted(lost)",
            _BAYES,
        ),
        Mistake(
            "the place of items is never given to the first clicked answer",
            "agents/bayes/planning.py",
            "earlier[0].unsqueeze(1) + torch.maximum(clicked[1] + refused[0], clicked[0] + refused[1]),",
            "earlier[0].unsqueeze(1) + clicked[0] + refused[1],",
            _BAYES,
        ),
        Mistake(
            "other targets are tried where each session has one",
            "agents/bayes/belief_fitting.py",
            "several = targets > 1.0",
            "several = targets > 0.0",
            _BAYES,
        ),
        Mistake(
            "other targets are left out of the planner",
            "agents/bayes/asking.py",
            "if others > 0.0:",
            "if False:",
            _BAYES,
        ),
        Mistake(
            "plans with errors look at the m best items alone",
            "agents/bayes/asking.py",
            "reach = min(sizes[-1], self.n_items) - 1",
            "reach = min(sizes[0], self.n_items) - 1",
            _BAYES,
        ),
        Mistake(
            "a told word counts as more than a click",
            "agents/bayes/belief.py",
            "clamp(min=max(error_rate, LEAST_ERROR))",
            "clamp(min=LEAST_ERROR)",
            "tests/agents/bayes tests/online",
        ),
        Mistake(
            "an unliked told word is taken for a liked one",
            "agents/bayes/belief.py",
            "return (fits, differs) if liked else (differs, fits)",
            "return (fits, differs)",
            "tests/agents/bayes tests/online",
        ),
        Mistake(
            "searched queries are evidence the wrong way",
            "agents/bayes/belief.py",
            "factor = torch.where(membership(graphs, searched), log1p(-error), log(error))",
            "factor = torch.where(membership(graphs, searched), log(error), log1p(-error))",
            _BAYES,
        ),
        Mistake(
            "queries in all candidates are asked",
            "agents/bayes/choices.py",
            "asks = (size > 0) & (size < n_items[graphs.session])",
            "asks = size > 0",
            _BAYES,
        ),
    ),
    "MAGUS": (
        Mistake(
            "refusals are not taken in",
            "agents/magus.py",
            "y[yes], y[no] = 1.0, 0.0  # Eq. (8)",
            "y[yes] = 1.0",
            _MAGUS,
        ),
        Mistake(
            "answered nodes go on receiving",
            "agents/magus.py",
            "        receivers[yes] = receivers[no] = False\n",
            "",
            _MAGUS,
        ),
        Mistake(
            "Eq. (6) leaves shown nodes out",
            "agents/magus.py",
            "self.y, self.scaled = scale_to_unit(self.y, self.graphs.valid), True",
            "self.y, self.scaled = scale_to_unit(self.y, self.left), True",
            _MAGUS,
        ),
        Mistake(
            "searched queries are lifted to the lowest",
            "agents/magus.py",
            'if self.options.searched == "lift":',
            'if self.options.searched != "lift":',
            _MAGUS,
        ),
        Mistake(
            "minus_scale is squared",
            "agents/magus.py",
            "scale, root = self.minus_scale, self.minus_scale**0.5",
            "scale, root = self.minus_scale, self.minus_scale",
            _MAGUS,
        ),
        Mistake(
            "the weights of R- come from the factors of R+",
            "agents/magus.py",
            "return factors.positive[node].to(torch.float64), factors.negative[node].to(torch.float64)",
            "return factors.positive[node].to(torch.float64), factors.positive[node].to(torch.float64)",
            _MAGUS,
        ),
        Mistake(
            "the mean weight of R- counts the R+ pairs",
            "agents/weights.py",
            "- items.square().sum() - with_item.sum())",
            "- items.square().sum())",
            _MAGUS,
        ),
    ),
    "layers": (
        Mistake(
            "R- adds",
            "nn/signed_label_propagation.py",
            "out = out - complement.sum(y_src)",
            "out = out + complement.sum(y_src)",
            _NN,
        ),
        Mistake(
            "nodes that receive nothing are changed",
            "nn/signed_label_propagation.py",
            "out = torch.where(receivers.unsqueeze(-1), out, y_dst)",
            "out = torch.where(receivers.unsqueeze(-1), out, out)",
            _NN,
        ),
        Mistake(
            "values of a sparse matrix count in means",
            "nn/feature_propagation.py",
            "adj_t = adj_t.set_value(None, layout=None)",
            "adj_t = adj_t",
            _NN,
        ),
        Mistake(
            "sparse rows are added, not averaged",
            "nn/feature_propagation.py",
            'return spmm(adj_t, x, reduce="mean")',
            'return spmm(adj_t, x, reduce="sum")',
            _NN,
        ),
        Mistake(
            "the similarity of Eq. (12) is left out",
            "nn/feature_propagation.py",
            "return torch.relu(self.lin1(x + difference) + similarity * self.lin2(x))",
            "return torch.relu(self.lin1(x + difference) + self.lin2(x))",
            _NN,
        ),
    ),
    "parts of the log that must not be looked at": (
        Mistake(
            "sessions avoid what was touched in later parts",
            "data/session_building.py",
            "touched = items_of_users(data, PARTS[: which + 1])",
            "touched = items_of_users(data, PARTS)",
            _LATER,
        ),
        Mistake(
            "sessions of folds avoid what was touched in later parts",
            "training/folds.py",
            "np.where(data.part == 0, of_model, 2)",
            "np.where(data.part == 0, of_model, 1)",
            _LATER,
        ),
        Mistake(
            "validation negatives may be validation positives",
            "training/loader.py",
            "self._known_items = self._items_of_users(data.train, data.validation)",
            "self._known_items = self._items_of_users(data.train)",
            "tests/training/test_loader.py",
        ),
        Mistake(
            "training negatives avoid what is liked in validation",
            "training/loader.py",
            "self._train_items = self._items_of_users(data.train)",
            "self._train_items = self._items_of_users(data.train, data.validation)",
            "tests/training/test_loader.py",
        ),
        Mistake(
            "who trains is found by the positives of all parts",
            "training/training_rows.py",
            "user[(label == 1) & (part == 0)]",
            "user[label == 1]",
            "tests/training/test_training_rows.py",
        ),
        Mistake(
            "rows of one time at a border of parts are parted",
            "data/assemble.py",
            "tied = _tied(log, order) if split ==",
            "tied = None and _tied(log, order) if split ==",
            "tests/data/sets/test_tabular_splits.py tests/data",
        ),
        Mistake(
            "logs without an order are split by that of their file",
            "data/split.py",
            'return "user" if ordered else "hash"',
            'return "user"',
            "tests/data/test_split.py tests/data",
        ),
        Mistake(
            "need_positive is served what was kept without it",
            "data/sets/raw_dataset.py",
            '"path", "download", "force_reload",',
            '"path", "download", "force_reload", "need_positive",',
            "tests/data/sets/test_load_options.py",
        ),
    ),
    "data": (
        Mistake(
            "disliked items are those of the first row",
            "data/session_building.py",
            '.scatter_reduce(0, inverse, torch.arange(rows.numel()), "amax", include_self=False)',
            '.scatter_reduce(0, inverse, torch.arange(rows.numel()), "amin", include_self=False)',
            _DATA,
        ),
        Mistake(
            "one candidate more is disliked than half the list",
            "data/session_building.py",
            "room = (size - count).clamp(max=size // 2)",
            "room = (size - count).clamp(max=size // 2 + 1)",
            _DATA,
        ),
        Mistake(
            "the most targets are never drawn",
            "data/session_building.py",
            "integers(options.max_targets - options.min_targets + 1, *keys, _COUNT)",
            "integers(max(1, options.max_targets - options.min_targets), *keys, _COUNT)",
            _DATA,
        ),
        Mistake(
            "sessions of all parts draw alike",
            "data/session_building.py",
            "keys = (seed, which, user, number)",
            "keys = (seed, 0, user, number)",
            _DATA,
        ),
    ),
    "play": (
        Mistake(
            "sessions go on after a hit",
            "simulation/loop.py",
            "active = active & ~hit",
            "active = active & ~(hit & (clicked < 0))",
            _PLAY,
        ),
        Mistake(
            "a click on a query of a target counts as a hit",
            "simulation/loop.py",
            "hit = at_click(is_item & (matches > 0), clicked)",
            "hit = at_click(matches > 0, clicked)",
            _PLAY,
        ),
        Mistake(
            "queries are clicked before items",
            "simulation/answers.py",
            "preference = liked.to(torch.int64) * (1 + is_item.to(torch.int64))",
            "preference = liked.to(torch.int64) * (2 - is_item.to(torch.int64))",
            _PLAY,
        ),
        Mistake(
            "queries below a clicked one are refused",
            "simulation/answers.py",
            "unread = is_query & (item_clicked | ((clicked >= 0) & (place > clicked)))",
            "unread = is_query & (item_clicked & (place > clicked))",
            _PLAY,
        ),
    ),
    "reports": (
        Mistake(
            "p of the bootstrap can be 0",
            "report/significance.py",
            "below, above = ((1 + (side <= 0.0).sum()) / (means.size + 1) for side in (means, -means))",
            "below, above = ((side <= 0.0).sum() / means.size for side in (means, -means))",
            _REPORT,
        ),
        Mistake(
            "p of the bootstrap is one-sided",
            "report/significance.py",
            "min(1.0, 2.0 * float(min(below, above)))",
            "min(1.0, float(min(below, above)))",
            _REPORT,
        ),
        Mistake(
            "McNemar takes several sessions of a user",
            "report/significance.py",
            "if (count > 1).any():",
            "if (count > 10**9).any():",
            _REPORT,
        ),
        Mistake(
            "Holm's adjusted p may fall",
            "report/significance.py",
            "adjusted[order] = np.minimum(np.maximum.accumulate(scaled), 1.0)",
            "adjusted[order] = np.minimum(scaled, 1.0)",
            _REPORT,
        ),
        Mistake(
            "sessions, not users, are resampled",
            "report/significance.py",
            "    _, code = np.unique(users, return_inverse=True)\n",
            "    code = np.arange(len(users))\n",
            _REPORT,
        ),
    ),
    "online": (
        Mistake(
            "a state of another catalogue is taken",
            "online/session_state.py",
            "if 2 * len(gone) > len(named_items):",
            "if False:",
            _ONLINE,
        ),
        Mistake(
            "a state may go on after its end",
            "online/session_state.py",
            "if found and (found[0] is not self.said[-1] or self.is_open):",
            "if False:",
            _ONLINE,
        ),
        Mistake(
            "a state may show a node twice",
            "online/session_state.py",
            "if twice or len(set(entry.shown)) < len(entry.shown):",
            "if twice:",
            _ONLINE,
        ),
    ),
    "fitted states and calibration": (
        Mistake(
            "numbers of a run are not checked",
            "agents/fitted_states.py",
            "            checked: Self = found.check()\n",
            "            checked: Self = found\n",
            "tests/agents",
        ),
        Mistake(
            "weights that are not finite are read",
            "agents/fitted_states.py",
            "if not bool(torch.isfinite(value).all()):",
            "if False:",
            "tests/agents",
        ),
        Mistake(
            "Platt's targets are 0 and 1",
            "models/calibration.py",
            "high, low = (n_positive + 1) / (n_positive + 2), 1 / (len(z) - n_positive + 2)",
            "high, low = 1.0, 0.0",
            _MODELS,
        ),
        Mistake(
            "the calibration error is signed",
            "models/calibration.py",
            "return float(gap.abs().sum()) / len(probability)",
            "return float(gap.sum().abs()) / len(probability)",
            _MODELS,
        ),
    ),
}
"""The mistakes by their kind."""

MISTAKES = tuple(mistake for mistakes in KINDS.values() for mistake in mistakes)
