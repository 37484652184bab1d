"""What all layers are: message passing of PyTorch Geometric that leaves no temporary file."""

import importlib.util
import linecache
import sys
from contextlib import suppress
from pathlib import Path

from torch_geometric.nn import MessagePassing


class Layer(MessagePassing):  # type: ignore[misc]
    """A `torch_geometric.nn.MessagePassing` whose generated code lies in no file once it is loaded.

    PyTorch Geometric writes `propagate` of each class to a temporary file, loads it and lets it lie for ever. After
    that only its text is asked for, by TorchScript and in traces: `linecache` keeps it.
    """

    def _set_jittable_templates(self, raise_on_error: bool = False) -> None:
        # The hook of PyTorch Geometric that writes them, called where a layer is made or unpickled.
        super()._set_jittable_templates(raise_on_error)
        for name in ("propagate", "edge_updater"):
            module = sys.modules.get(f"{type(self).__module__}_{type(self).__name__}_{name}")
            file = Path(getattr(module, "__file__", None) or "")
            if file.is_file():
                text = file.read_text(encoding="utf-8")
                # An entry without a time is never compared with the file.
                linecache.cache[str(file)] = (len(text), None, text.splitlines(keepends=True), str(file))
                compiled = Path(importlib.util.cache_from_source(str(file)))
                for path in (file, compiled):
                    path.unlink(missing_ok=True)
                with suppress(OSError):  # it is not there, or files of others lie in it
                    compiled.parent.rmdir()
