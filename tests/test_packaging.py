"""What setup.cfg names is what an installation that is not editable holds."""

from configparser import ConfigParser

from repository import ROOT


def test_every_package_is_installed() -> None:
    options = ConfigParser()
    options.read(ROOT / "setup.cfg", encoding="utf-8")
    named = set(options["options"]["packages"].split())
    source = ROOT / "src"
    found = {".".join(path.parent.relative_to(source).parts) for path in source.rglob("__init__.py")}
    assert named == found | {"magus_pyg.conf"}  # the settings come from conf/, beside src/
