"""The service as an ASGI application."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI

from magus_pyg._version import __version__
from magus_pyg.language import LanguageOptions
from magus_pyg.runs import Run, load_run
from magus_pyg.serve.bodies import BodyLimit
from magus_pyg.serve.direct_requests import DirectRequests
from magus_pyg.serve.keys import KeyRing, read_keys
from magus_pyg.serve.operation import add_operation
from magus_pyg.serve.pages.readable import ReadableProblems
from magus_pyg.serve.pages.screens import Screens
from magus_pyg.serve.problems import handle_errors
from magus_pyg.serve.requests import Running
from magus_pyg.serve.routes.item_routes import item_router
from magus_pyg.serve.routes.page_routes import page_router
from magus_pyg.serve.routes.reference_routes import reference_router
from magus_pyg.serve.routes.run_routes import run_router
from magus_pyg.serve.routes.session_routes import session_router
from magus_pyg.serve.routes.word_routes import word_router
from magus_pyg.serve.serve_options import ServeOptions
from magus_pyg.serve.service import Service
from magus_pyg.serve.stores import Store, open_store

__all__ = ["create_app"]


def create_app(
    run: Run | Path | str,
    options: ServeOptions | None = None,
    store: Store | None = None,
    keys: KeyRing | None = None,
    language: LanguageOptions | None = None,
) -> FastAPI:
    """The service of a run, to be served or mounted in another application.

    Args:
        run: a run, or its folder.
        options: settings; the defaults if None.
        store: what keeps the sessions; the one that the settings name if None.
        keys: who may ask; those that the settings name if None.
        language: how queries are put into words and texts are read; the rule if None.

    Raises:
        ConfigError: settings that cannot be used.
        RunError: a folder that is no run.
        StoreError: the store cannot be opened.
    """
    options = (options or ServeOptions()).check()
    loaded = load_run(run) if isinstance(run, str | Path) else run
    store = open_store(options.store_url(loaded.path)) if store is None else store
    service = Service(loaded, options, store, language)
    running = Running(service, options)

    @asynccontextmanager
    async def alive(app: FastAPI) -> AsyncIterator[None]:
        _ = running.lanes
        service.languages.warm(service.changes.newest.graph)
        screens.warm()
        yield
        await running.stop()

    app = FastAPI(
        title="MAGUS",
        version=__version__,
        summary="Search and recommendation in one list",
        lifespan=alive,
        docs_url=None,  # these would load their scripts from another host
        redoc_url=None,
    )
    app.state.service, app.state.running, screens = service, running, Screens(service)
    app.state.screens, service.changes.on_edition = screens, screens.warm
    handle_errors(app)
    for router in (session_router, word_router, item_router, run_router, page_router, reference_router):
        app.include_router(router)
    app.add_middleware(DirectRequests, running=running, routers=(session_router, word_router))
    larger = {f"/v1/items:{verb}": options.limits.items_body_bytes for verb in ("batch", "remove", "restore")}
    app.add_middleware(BodyLimit, most=options.limits.body_bytes, larger=larger)
    add_operation(app, options, read_keys(options) if keys is None else keys, store.ping)
    app.add_middleware(ReadableProblems, screens=screens)
    return app
