"""What a worker does beside requests: it plays changes, and lets go of what is over."""

import asyncio
import logging
from functools import partial

from magus_pyg.errors import MagusError
from magus_pyg.serve.asked import chosen_settings
from magus_pyg.serve.lanes import Lanes
from magus_pyg.serve.service import Service
from magus_pyg.serve.session_start import Person

__all__ = ["keep_up", "warm"]

_CHANGES, _TIDY = 0.25, 60.0
"""Seconds between two looks at the log of changes, and between two clearings."""

logger = logging.getLogger(__name__)


def warm(service: Service) -> None:
    """Make what all sessions share, before anybody waits for it; workers that are forked after it share it too.

    Raises:
        InputError: a variant of the service, or of an arm, that the run has not learned.
    """
    nothing = dict.fromkeys(("variant", "list_length", "rounds", "min_items"))
    for arm in (None, *service.options.experiment.arms):
        chosen = chosen_settings(nothing, arm, service.options, service.default_variant)
        service.changes.newest.begin(Person(), chosen)[0].recommend()


async def keep_up(service: Service, lanes: Lanes) -> None:
    """Play changes and clear up until cancelled. Additions wait for a second look: those close by are added as one."""
    tidied = service.store.now()
    while True:
        await asyncio.sleep(_CHANGES)
        waited = service.changes.waits
        try:
            await lanes.beside(partial(service.changes.catch_up, waited))
            if service.store.now() - tidied >= _TIDY:
                tidied = service.store.now()
                await lanes.beside(service.tidy)
        except MagusError as error:  # such as a store that is down: the next look may find it again
            logger.warning("changes could not be looked at: %s", error)
