"""A service in trouble, a network that fails, and work that is killed."""

import random
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests
from fathomnet.api import SESSION, worms

from fathomline.errors import InputError
from fathomline.lineages.resolve import resolve, update_reference
from fathomline.taxonomy.reference import read_reference

NAME = "Pandalus borealis"
REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def asked(stand_in, config):
    def ask(*names: str, **changed):
        return resolve(names or [NAME], config(**changed), cached={}, worms_url=stand_in.url)

    return ask


@pytest.mark.parametrize("fault", [500, 502, 503, 408, 429, "drop", "cut", "loading"])
def test_passing_trouble_is_sat_out(asked, stand_in, fault):
    stand_in.faults[NAME].extend([fault, fault])
    lineage = asked().taxonomy.lineage(NAME)
    assert [node.name for node in lineage.path][-2:] == ["Pandalus", NAME]
    assert stand_in.asked.count(f"taxa/info/{NAME}") == 3


@pytest.mark.parametrize(
    ("fault", "cause"),
    [
        (500, "status 500"),
        ("cut", "not JSON or was cut short"),
        ("drop", "no connection"),
        ("loading", "still loading its names"),
        (0.6, "no answer in time"),
    ],
)
def test_lasting_trouble_ends_with_the_url_and_the_cause(asked, stand_in, fault, cause):
    stand_in.faults[NAME].extend([fault] * 9)
    with pytest.raises(InputError) as raised:
        asked(retries=2, timeout=0.2)
    text = str(raised.value)
    assert stand_in.url in text
    assert cause in text
    assert "3 times" in text
    assert "taxonomy.offline" in text
    assert stand_in.asked.count(f"taxa/info/{NAME}") == 3


@pytest.mark.parametrize(("status", "cause"), [(400, "status 400"), (401, "access refused (401)"), (403, "403")])
def test_a_refusal_is_not_asked_again(asked, stand_in, status, cause):
    stand_in.faults[NAME].extend([status] * 9)
    with pytest.raises(InputError) as raised:
        asked()
    assert cause in str(raised.value)
    assert stand_in.asked.count(f"taxa/info/{NAME}") == 1


def test_an_unknown_name_is_not_asked_again(asked, stand_in):
    with pytest.raises(InputError, match="'Qwxyz'"):
        asked("Qwxyz")
    assert stand_in.asked.count("taxa/info/Qwxyz") == 1


def test_a_slow_answer_is_waited_for_within_the_timeout(asked, stand_in):
    stand_in.faults[NAME].append(0.3)
    assert asked(timeout=2.0).taxonomy.holds(NAME)
    assert stand_in.asked.count(f"taxa/info/{NAME}") == 1


def test_suggestions_that_fail_do_not_hide_the_refusal(asked, stand_in):
    stand_in.faults["Pand"].extend([500] * 9)
    with pytest.raises(InputError, match="'Pandalus amplu': did you mean 'Pandalus amplus'"):
        asked("Pandalus amplu")


@pytest.mark.parametrize("content", [[], {}, 7, {"name": None}, {"name": "A", "aphiaId": "x"}, None])
def test_an_answer_of_another_form_is_refused(asked, stand_in, content):
    stand_in.forged[f"taxa/info/{NAME}"] = content if content is not None else "text"
    with pytest.raises(InputError, match="not of the form that WoRMS gives"):
        asked(retries=0)


def test_requests_in_flight_are_limited_and_do_overlap(asked, stand_in):
    stand_in.delay = 0.02
    asked(*[name for name in stand_in.nodes if name.startswith(("Sebastes", "Pand", "Te", "Para"))], workers=3)
    assert 1 < stand_in.most_at_once <= 3


def test_no_network_names_the_url_and_what_to_do(config):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/worms"
        with pytest.raises(InputError) as raised:
            resolve([NAME], config(retries=0), cached={}, worms_url=url)
    text = str(raised.value)
    assert url in text
    assert "Connection refused" in text
    assert "0 of 1 names" in text
    assert "taxonomy.lineages" in text


@pytest.mark.parametrize("url", ["ftp://example.org/worms", "example.org", "http://", "http://[", ""])
def test_an_address_that_is_none_is_refused(config, url):
    with pytest.raises(InputError, match="expected an http or https URL"):
        resolve([NAME], config(), cached={}, worms_url=url)


def test_an_address_without_a_worms_is_told(stand_in, config):
    with pytest.raises(InputError, match=f"{stand_in.url}/other does not know"):
        resolve([NAME], config(), cached={}, worms_url=f"{stand_in.url}/other")


def test_the_client_is_left_as_it_was(asked, stand_in):
    before, adapters = worms.Worms.ROOT, dict(SESSION.adapters)
    asked()
    stand_in.faults[NAME].extend([500] * 9)
    with pytest.raises(InputError):
        asked(retries=0)
    assert before != stand_in.url
    assert (worms.Worms.ROOT, dict(SESSION.adapters)) == (before, adapters)


def test_without_an_address_the_clients_own_is_asked(stand_in, config, monkeypatch):
    monkeypatch.setattr(worms.Worms, "ROOT", stand_in.url)
    assert resolve([NAME], config(), cached={}, worms_url=None).taxonomy.holds(NAME)


def test_a_proxy_does_not_stand_before_this_machine(asked, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert asked(retries=0).taxonomy.holds(NAME)


def test_retry_after_is_honoured_up_to_a_limit(monkeypatch):
    from fathomline.lineages import worms as client

    response = requests.Response()
    response.status_code, response.headers["Retry-After"] = 503, "7"
    response._content = b"busy"
    response.request = requests.Request("GET", "http://x/").prepare()
    monkeypatch.setattr(SESSION, "request", lambda *arguments, **options: response)
    waits = []
    service = client.Worms(retries=1)
    monkeypatch.setattr(service._stopped, "wait", waits.append)
    with pytest.raises(client.Unreachable, match="status 503"):
        service.info(NAME)
    response.headers["Retry-After"] = "900"
    with pytest.raises(client.Unreachable):
        service.info(NAME)
    assert waits == [7.0, client.LONGEST_PAUSE]


def test_what_was_found_before_a_failure_is_kept(stand_in, config, tmp_path):
    path = tmp_path / "reference.json"
    names = ["Parazoanthus", NAME, "Sebastes ruberrimus"]
    stand_in.faults["Sebastes ruberrimus"].extend([500] * 2)
    with pytest.raises(InputError, match="2 of 3 names are known by now and kept"):
        update_reference(names, config(workers=1, retries=0), path, worms_url=stand_in.url)
    assert not path.exists()
    stand_in.faults.clear()
    stand_in.asked.clear()
    update_reference(names, config(), path, worms_url=stand_in.url)
    assert not any(NAME in question for question in stand_in.asked)
    assert read_reference(path).concepts == tuple(sorted(names))


RUN = """
import sys
from pathlib import Path
from fathomline.lineages.resolve import TaxonomyConfig, update_reference
names, path, url, refresh = sys.argv[1].split(","), Path(sys.argv[2]), sys.argv[3], sys.argv[4] == "refresh"
config = TaxonomyConfig(lineages=None, offline=False, refresh=refresh, workers=2, timeout=5.0, retries=3)
update_reference(names, config, path, worms_url=url)
"""

KILLS = 5


@pytest.mark.parametrize("mode", ["once", "refresh"])
def test_killed_at_any_moment_and_run_again_it_ends_in_the_same_file(stand_in, config, tmp_path, mode):
    unfit = ("Biota", "equipment", "Zoantharia", "Morum", "Sebastomus perditus")
    names = [name for name in stand_in.nodes if not name.startswith(unfit)]
    whole = tmp_path / "whole.json"
    update_reference(names, config(refresh=mode == "refresh"), whole, worms_url=stand_in.url)
    asked_in_one_go = len(stand_in.asked)
    stand_in.asked.clear()
    stand_in.delay = 0.005
    path = tmp_path / "killed.json"
    command = [sys.executable, "-c", RUN, ",".join(names), str(path), stand_in.url, mode]
    # After how many of its requests each run is killed; the last one is left to finish.
    moments = [*random.Random(8).sample(range(1, 20), KILLS), float("inf")]
    codes = []
    for moment in moments:
        before = len(stand_in.asked)
        with subprocess.Popen(command, cwd=REPOSITORY, stderr=subprocess.PIPE) as process:
            while process.poll() is None and len(stand_in.asked) < before + moment:
                time.sleep(0.001)
            process.kill()
            _, noise = process.communicate()
        assert noise == b""
        codes.append(process.returncode)
    assert codes == [-9] * KILLS + [0]
    assert path.read_bytes() == whole.read_bytes()
    # Each kill costs at most the names in flight, four requests each: the work is not begun anew.
    assert len(stand_in.asked) <= asked_in_one_go + KILLS * 2 * 4
    assert not [left.name for left in tmp_path.iterdir() if left.suffix == ".journal"]
