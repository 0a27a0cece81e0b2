import json
from pathlib import Path

from seqmatte.commands.catalogue import catalogue

FILE = Path(__file__).parents[2] / "plugins" / "seqlink" / "methods.json"


def test_the_options_that_hosts_draw_knobs_from_are_those_of_the_methods():
    # Renew it with: seqmatte methods --json > plugins/seqlink/methods.json
    assert json.loads(FILE.read_text(encoding="utf-8")) == json.loads(json.dumps(catalogue()))


def test_every_option_has_a_sentence_and_numbers_have_limits():
    for method in catalogue()["methods"]:
        for option in method["params"]:
            assert option["help"].endswith("."), (method["name"], option["name"])
            if option["type"] in ("int", "float"):
                assert option["low"] is not None
                assert option["high"] is not None
