"""What the README says is what the program does."""

import re
from pathlib import Path

import pytest

from seqmatte import cli
from seqmatte.commands.catalogue import markdown

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
KNOBS = re.compile(r"<!-- knobs: seqmatte methods --markdown -->\n(.*?)\n<!-- end of knobs -->", re.DOTALL)


@pytest.mark.parametrize("command", cli.COMMANDS)
def test_the_readme_names_every_command(command):
    assert f"`{command}`" in README


def test_the_tables_of_recipes_and_knobs_are_fresh():
    # Renew with: seqmatte methods --markdown
    assert KNOBS.search(README)[1] == markdown()


def test_every_option_that_the_readme_shows_exists():
    import argparse

    known = {"--help", "--version"}
    for name, (module, _) in cli.COMMANDS.items():
        made = argparse.ArgumentParser()
        made.set_defaults(command=name)
        __import__("importlib").import_module(f"seqmatte.commands.{module}").add_arguments(made)
        known |= {option for action in made._actions for option in action.option_strings}
    shown = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", KNOBS.sub("", README)))
    assert shown <= known


def test_every_picture_of_the_readme_is_there_and_small():
    for name in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", README):
        assert 0 < (ROOT / name).stat().st_size < 800_000, name


def test_every_file_that_the_readme_links_to_is_there():
    for name in re.findall(r"(?<!!)\[[^\]]*\]\(([^)#]+)\)", README):
        assert (ROOT / name).exists(), name
