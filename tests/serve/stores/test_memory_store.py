"""The memory store: the contract of all stores."""

import pytest
from store_contract import StoreContract
from store_records import Opener

from magus_pyg.serve.stores.memory_store import MemoryStore


class TestMemoryStore(StoreContract):
    shared = False

    @pytest.fixture
    def opened(self) -> Opener:
        return MemoryStore
