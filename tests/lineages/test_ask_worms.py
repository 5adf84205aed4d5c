"""A failing service, a failing network, and killed processes."""

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
from fathomline.lineages.resolve import TaxonomyConfig, resolve, update_reference
from fathomline.machine import MachineConfig
from fathomline.taxonomy.reference import read_reference

NAME = "Pandalus borealis"
REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def ask(stand_in):
    def ask(*names: str, **settings):
        machine = MachineConfig(**{"timeout": 5.0, "retries": 3} | settings)
        return resolve(names or [NAME], TaxonomyConfig(), cached={}, worms_url=stand_in.url, machine=machine)

    return ask


@pytest.mark.parametrize("fault", [500, 502, 503, 408, 429, "drop", "cut", "loading"])
def test_a_request_is_retried_after_a_transient_error(ask, stand_in, fault):
    stand_in.faults[NAME].extend([fault, fault])
    lineage = ask().taxonomy.lineage(NAME)
    assert [node.name for node in lineage.path][-2:] == ["Pandalus", NAME]
    assert stand_in.asked.count(f"taxa/info/{NAME}") == 3


@pytest.mark.parametrize(
    ("fault", "cause"),
    [
        (500, "status 500"),
        ("cut", "not JSON or was cut short"),
        ("drop", "no connection"),
        ("loading", "still loading its names"),
        (0.6, "no answer within the timeout"),
    ],
)
def test_a_persistent_error_names_the_url_and_the_cause(ask, stand_in, fault, cause):
    stand_in.faults[NAME].extend([fault] * 9)
    with pytest.raises(InputError) as raised:
        ask(retries=2, timeout=0.2)
    text = str(raised.value)
    assert stand_in.url in text
    assert cause in text
    assert "3 times" in text
    assert "taxonomy.offline" in text
    assert stand_in.asked.count(f"taxa/info/{NAME}") == 3


@pytest.mark.parametrize(("status", "cause"), [(400, "status 400"), (401, "access refused (401)"), (403, "403")])
def test_a_refused_request_is_not_retried(ask, stand_in, status, cause):
    stand_in.faults[NAME].extend([status] * 9)
    with pytest.raises(InputError) as raised:
        ask()
    assert cause in str(raised.value)
    assert stand_in.asked.count(f"taxa/info/{NAME}") == 1


def test_the_query_for_an_unknown_name_is_not_retried(ask, stand_in):
    with pytest.raises(InputError, match="'Qwxyz'"):
        ask("Qwxyz")
    assert stand_in.asked.count("taxa/info/Qwxyz") == 1


def test_an_answer_may_take_as_long_as_the_timeout(ask, stand_in):
    stand_in.faults[NAME].append(0.3)
    assert ask(timeout=2.0).taxonomy.holds(NAME)
    assert stand_in.asked.count(f"taxa/info/{NAME}") == 1


def test_unknown_names_are_reported_even_if_the_query_for_suggestions_fails(ask, stand_in):
    stand_in.faults["Pand"].extend([500] * 9)
    with pytest.raises(InputError, match="'Pandalus amplu': did you mean 'Pandalus amplus'"):
        ask("Pandalus amplu")


@pytest.mark.parametrize("content", [[], {}, 7, {"name": None}, {"name": "A", "aphiaId": "x"}, None])
def test_an_answer_of_another_structure_is_refused(ask, stand_in, content):
    stand_in.overrides[f"taxa/info/{NAME}"] = content if content is not None else "text"
    with pytest.raises(InputError, match="does not have the structure of a WoRMS answer"):
        ask(retries=0)


def test_requests_are_concurrent_up_to_the_limit(ask, stand_in):
    stand_in.delay = 0.02
    ask(*[name for name in stand_in.nodes if name.startswith(("Sebastes", "Pand", "Te", "Para"))], connections=3)
    assert 1 < stand_in.most_concurrent <= 3


def test_without_a_network_the_error_names_the_url_and_a_remedy():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/worms"
        with pytest.raises(InputError) as raised:
            resolve([NAME], TaxonomyConfig(), cached={}, worms_url=url, machine=MachineConfig(retries=0))
    text = str(raised.value)
    assert url in text
    assert "Connection refused" in text
    assert "0 of 1 names" in text
    assert "taxonomy.lineages" in text


@pytest.mark.parametrize("url", ["ftp://example.org/worms", "example.org", "http://", "http://[", ""])
def test_an_invalid_address_is_refused(url):
    with pytest.raises(InputError, match="expected an http or https URL"):
        resolve([NAME], TaxonomyConfig(), cached={}, worms_url=url)


def test_the_error_gives_the_address_of_a_service_that_recognises_no_name(stand_in):
    with pytest.raises(InputError, match=f"{stand_in.url}/other does not know them"):
        resolve([NAME], TaxonomyConfig(), cached={}, worms_url=f"{stand_in.url}/other")


def test_the_settings_of_the_fathomnet_client_are_restored(ask, stand_in):
    before, adapters = worms.Worms.ROOT, dict(SESSION.adapters)
    ask()
    stand_in.faults[NAME].extend([500] * 9)
    with pytest.raises(InputError):
        ask(retries=0)
    assert before != stand_in.url
    assert (worms.Worms.ROOT, dict(SESSION.adapters)) == (before, adapters)


def test_without_an_address_the_default_of_the_client_is_used(stand_in, monkeypatch):
    monkeypatch.setattr(worms.Worms, "ROOT", stand_in.url)
    assert resolve([NAME], TaxonomyConfig(), cached={}, worms_url=None).taxonomy.holds(NAME)


def test_a_service_on_this_machine_is_not_reached_through_a_proxy(ask, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert ask(retries=0).taxonomy.holds(NAME)


def test_retry_after_is_obeyed_up_to_a_limit(monkeypatch):
    from fathomline.lineages import worms as client

    response = requests.Response()
    response.status_code, response.headers["Retry-After"] = 503, "7"
    response._content = b"busy"
    response.request = requests.Request("GET", "http://x/").prepare()
    monkeypatch.setattr(SESSION, "request", lambda *arguments, **options: response)
    waits = []
    service = client.WormsClient(retries=1)
    monkeypatch.setattr(service._stopped, "wait", waits.append)
    with pytest.raises(client.Unreachable, match="status 503"):
        service.info(NAME)
    response.headers["Retry-After"] = "900"
    with pytest.raises(client.Unreachable):
        service.info(NAME)
    assert waits == [7.0, client.LONGEST_PAUSE]


def test_a_run_after_a_failure_does_not_repeat_finished_lookups(stand_in, tmp_path):
    path = tmp_path / "reference.json"
    names = ["Parazoanthus", NAME, "Sebastes ruberrimus"]
    stand_in.faults["Sebastes ruberrimus"].extend([500] * 2)
    with pytest.raises(InputError, match="2 of 3 names are looked up and saved"):
        update_reference(
            names,
            TaxonomyConfig(),
            path,
            worms_url=stand_in.url,
            machine=MachineConfig(connections=1, retries=0),
        )
    assert not path.exists()
    stand_in.faults.clear()
    stand_in.asked.clear()
    update_reference(names, TaxonomyConfig(), path, worms_url=stand_in.url)
    assert not any(NAME in question for question in stand_in.asked)
    assert read_reference(path).concepts == tuple(sorted(names))


RUN = """
import sys
from pathlib import Path
from fathomline.lineages.resolve import TaxonomyConfig, update_reference
from fathomline.machine import MachineConfig
names, path, url, refresh = sys.argv[1].split(","), Path(sys.argv[2]), sys.argv[3], sys.argv[4] == "refresh"
config, machine = TaxonomyConfig(refresh=refresh), MachineConfig(connections=2)
update_reference(names, config, path, worms_url=url, machine=machine)
"""

KILLS = 5


@pytest.mark.parametrize("mode", ["once", "refresh"])
def test_a_run_killed_at_any_moment_resumes_and_writes_the_same_file(stand_in, tmp_path, mode):
    unusable = ("Biota", "equipment", "Zoantharia", "Morum", "Sebastomus perditus")
    names = [name for name in stand_in.nodes if not name.startswith(unusable)]
    expected = tmp_path / "uninterrupted.json"
    update_reference(names, TaxonomyConfig(refresh=mode == "refresh"), expected, worms_url=stand_in.url)
    uninterrupted_requests = len(stand_in.asked)
    stand_in.asked.clear()
    stand_in.delay = 0.005
    path = tmp_path / "killed.json"
    command = [sys.executable, "-c", RUN, ",".join(names), str(path), stand_in.url, mode]
    # The number of requests after which each run is killed; the last run may finish.
    moments = [*random.Random(8).sample(range(1, 20), KILLS), float("inf")]
    codes = []
    for moment in moments:
        before = len(stand_in.asked)
        with subprocess.Popen(command, cwd=REPOSITORY, stderr=subprocess.PIPE) as process:
            while process.poll() is None and len(stand_in.asked) < before + moment:
                time.sleep(0.001)
            process.kill()
            _, errors = process.communicate()
        assert errors == b""
        codes.append(process.returncode)
    assert codes == [-9] * KILLS + [0]
    assert path.read_bytes() == expected.read_bytes()
    # Each kill costs at most the two lookups in progress, of four requests each.
    assert len(stand_in.asked) <= uninterrupted_requests + KILLS * 2 * 4
    assert not list(tmp_path.glob("*.journal"))
