"""The page about serving: its commands run as they stand there, against a service of the shop."""

import ast
import os
import subprocess
from pathlib import Path

import pytest
from doc_pages import blocks
from real_service import RealService

from magus_pyg.commands.serve import service_config


def test_every_command_of_the_page(shop_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    service = RealService(shop_run, f"serve.folder={tmp_path}")
    try:
        script = "\n".join(blocks("serving.md", "sh"))
        environment = {**os.environ, "MAGUS": service.url}
        done = subprocess.run(
            ["bash", "-euc", script], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
        )
        exec("\n".join(blocks("serving.md", "python")), {"address": service.url})
    finally:
        service.stop()
    lines = done.stdout.splitlines()
    assert len(ast.literal_eval(lines[0])) == 3
    assert lines[1] == "(2, False)"
    assert ast.literal_eval(lines[2]) == [{"field": "brand", "value": "Alpro", "liked": False}]
    told, ended, history, conflict, faults, deleted = lines[3:]
    assert [reason["round"] for reason in ast.literal_eval(told)]
    assert ast.literal_eval(ended)[0] is True
    assert history == "2"
    assert conflict == "(409, 'urn:magus-pyg:conflict-error')"
    assert ast.literal_eval(faults)[0]["pointer"] == "/list_length"
    assert deleted == "204"
    assert capsys.readouterr().out.startswith("found ")


def test_the_settings_it_names_are_there() -> None:
    names = {"workers", "pool_threads", "queue", "store", "proxies", "stop_seconds", "keys", "limits"}
    assert names <= set(vars(service_config([]).serve))
