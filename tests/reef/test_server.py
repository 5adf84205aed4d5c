"""The reef is served as FathomNet and its WoRMS service are; FathomNet's own client checks this."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from urllib.parse import urljoin, urlsplit
from urllib.request import urlopen

import pytest

from reef.server import respond, serve
from reef.taxa import root

CLIENT = """
import json, sys
from fathomnet.api import worms

def attempt(function, *arguments):
    try:
        found = getattr(worms, function)(*arguments)
    except ValueError as error:
        return {"error": str(error)}
    if isinstance(found, list):
        return [one.to_dict() if hasattr(one, "to_dict") else one for one in found]
    return found.to_dict() if hasattr(found, "to_dict") else found

print(json.dumps([attempt(*call) for call in json.load(sys.stdin)]))
"""

UNKNOWN = "Vulcan ear slug"

QUESTIONS = [
    ("get_info", "Sebastes diploproa"),
    ("get_info", "Medusa aurita"),
    ("get_info", UNKNOWN),
    ("get_ancestors", "Caridea"),
    ("get_ancestors", UNKNOWN),
    ("get_descendants", "Sebastes"),
    ("get_children", "Scotoplanes"),
    ("get_children", "Scotoplanes globosa"),
    ("get_children", UNKNOWN),
    ("get_parent", "Caridea"),
    ("get_parent", "Biota"),
    ("find_taxa_by_prefix", "sebas"),
    ("find_taxa_by_prefix", "Sebas", "Genus"),
    ("find_taxa_by_prefix", "S", None, "Holothuroidea"),
    ("find_taxa_by_prefix", UNKNOWN),
    ("get_ancestors_names", "Octopoda"),
    ("get_ancestors_names", UNKNOWN),
    ("get_synonyms_for_name", "Medusa aurita"),
    ("get_synonyms_for_name", UNKNOWN),
    ("find_names_by_prefix", "Octopo"),
    ("find_names_containing", "rockfish"),
    ("find_names_containing", UNKNOWN),
    ("get_names_by_aphia_id", 135306),
    ("get_names_by_aphia_id", 5),
    ("count_names",),
    ("get_all_names", 2, 1),
    ("get_parent_name", "Bathochordaeus"),
    ("get_children_names", "Octopodidae"),
    ("get_descendants_names", "Sebastes", True),
]


@pytest.fixture(scope="module")
def answers(base_url):
    """The results of FathomNet's client, by question. It runs in a process of its own as it reads its URL on import."""
    done = subprocess.run(
        [sys.executable, "-c", CLIENT],
        input=json.dumps(QUESTIONS),
        env=os.environ | {"FATHOMNET_WORMS_API_URL": f"{base_url}/worms", "NO_PROXY": "127.0.0.1"},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return dict(zip(QUESTIONS, json.loads(done.stdout), strict=True))


def chain(node):
    names = []
    while node:
        names.append((node["rank"], node["name"]))
        node = (node["children"] or [None])[0]
    return names


def test_info_has_name_rank_and_ids(answers):
    info = answers["get_info", "Sebastes diploproa"]
    assert (info["name"], info["rank"]) == ("Sebastes diploproa", "Species")
    assert info["aphiaId"] == info["acceptedAphiaId"]
    assert info["alternateNames"] == ["splitnose rockfish"]


def test_a_synonym_resolves_to_its_accepted_taxon(answers):
    assert answers["get_info", "Medusa aurita"]["name"] == "Aurelia aurita"
    assert answers["get_synonyms_for_name", "Medusa aurita"] == ["Aurelia aurita", "Medusa aurita", "moon jelly"]


def test_ancestors_nest_from_the_root_and_include_ranks_between_the_seven(answers):
    assert chain(answers["get_ancestors", "Caridea"]) == [
        ("Superdomain", "Biota"),
        ("Kingdom", "Animalia"),
        ("Phylum", "Arthropoda"),
        ("Subphylum", "Crustacea"),
        ("Superclass", "Multicrustacea"),
        ("Class", "Malacostraca"),
        ("Subclass", "Eumalacostraca"),
        ("Superorder", "Eucarida"),
        ("Order", "Decapoda"),
        ("Suborder", "Pleocyemata"),
        ("Infraorder", "Caridea"),
    ]


def test_descendants_children_and_parent_follow_the_tree(answers):
    assert chain(answers["get_descendants", "Sebastes"]) == [("Genus", "Sebastes"), ("Species", "Sebastes diploproa")]
    assert [child["name"] for child in answers["get_children", "Scotoplanes"]] == ["Scotoplanes globosa"]
    assert answers["get_children", "Scotoplanes globosa"] == []
    assert answers["get_parent", "Caridea"]["name"] == "Pleocyemata"
    assert answers["get_parent_name", "Bathochordaeus"] == "Bathochordaeinae"
    assert answers["get_children_names", "Octopodidae"] == ["Octopus"]


def test_taxa_are_found_by_prefix_rank_and_parent(answers):
    assert [taxon["name"] for taxon in answers["find_taxa_by_prefix", "sebas"]] == [
        "Sebastes",
        "Sebastes diploproa",
        "Sebastidae",
        "Sebastinae",
    ]
    assert [taxon["name"] for taxon in answers["find_taxa_by_prefix", "Sebas", "Genus"]] == ["Sebastes"]
    below = answers["find_taxa_by_prefix", "S", None, "Holothuroidea"]
    assert [taxon["name"] for taxon in below] == ["Scotoplanes", "Scotoplanes globosa"]


def test_name_lists_hold_accepted_and_alternate_names(answers):
    assert answers["get_ancestors_names", "Octopoda"][:2] == ["Biota", "Animalia"]
    assert answers["get_ancestors_names", "Octopoda"][-1] == "Octopoda"
    assert answers["find_names_by_prefix", "Octopo"] == ["Octopoda", "Octopodidae", "Octopodiformes", "Octopodoidea"]
    assert answers["find_names_containing", "rockfish"] == ["rockfishes", "splitnose rockfish"]
    assert answers["get_descendants_names", "Sebastes", True] == ["Sebastes", "Sebastes diploproa"]
    names = answers["get_names_by_aphia_id", 135306]
    assert (names["name"], names["acceptedName"]) == ("Aurelia aurita", "Aurelia aurita")
    every = {name for taxon in root().subtree for name in (taxon.name, *taxon.alternate_names)}
    assert answers[("count_names",)] == len(every)
    assert answers["get_all_names", 2, 1] == sorted(every)[1:3]


@pytest.mark.parametrize(
    "question",
    [
        ("get_info", UNKNOWN),
        ("get_ancestors", UNKNOWN),
        ("get_children", UNKNOWN),
        ("get_synonyms_for_name", UNKNOWN),
        ("get_names_by_aphia_id", 5),
        ("get_parent", "Biota"),
    ],
)
def test_an_unknown_name_or_id_is_a_client_error(answers, question):
    assert "Client error (404)" in answers[question]["error"]


@pytest.mark.parametrize("function", ["find_taxa_by_prefix", "get_ancestors_names", "find_names_containing"])
def test_a_search_without_a_match_returns_an_empty_list(answers, function):
    assert answers[function, UNKNOWN] == []


@pytest.fixture
def connection(base_url):
    opened = HTTPConnection(urlsplit(base_url).netloc, timeout=10)
    yield opened
    opened.close()


def get(connection, path, method="GET"):
    connection.request(method, path)
    response = connection.getresponse()
    return response, response.read()


def test_a_coco_url_is_relative_to_the_coco_file(base_url, connection, reef):
    response, body = get(connection, "/test.json")
    assert response.headers["Content-Type"] == "application/json"
    coco = json.loads(body)
    assert coco == reef.coco("test")
    path = urlsplit(urljoin(f"{base_url}/test.json", coco["images"][6]["coco_url"])).path
    response, body = get(connection, path)
    assert response.status == 200
    assert response.headers["Content-Type"] == "image/png"
    assert int(response.headers["Content-Length"]) == len(body)
    assert body == reef.frame("test", 7)


def test_frames_fetched_in_parallel_are_the_frames_that_the_reef_draws(base_url, reef):
    ids = range(1, 9)
    with ThreadPoolExecutor(4) as pool:
        fetched = list(pool.map(lambda image_id: urlopen(f"{base_url}/images/test/{image_id:06d}.png").read(), ids))
    assert fetched == [reef.frame("test", image_id) for image_id in ids]


def test_a_connection_stays_open_after_errors(connection):
    for path, status in (("/train.jsn", 404), ("/worms/names/count", 200), ("/nowhere", 404), ("/worms//names", 200)):
        response, _ = get(connection, path)
        assert response.status == status
        assert not response.will_close


def test_head_returns_the_length_without_the_body(connection, reef):
    response, body = get(connection, "/images/train/000002.png", method="HEAD")
    assert body == b""
    assert int(response.headers["Content-Length"]) == len(reef.frame("train", 2))


def test_a_404_has_the_same_body_as_from_fathomnet(reef):
    status, _, body = respond(reef, "/worms//taxa/info/Finding%20Nemo")
    assert status == 404
    assert json.loads(body) == {"message": "Unable to find `Finding Nemo`", "code": 404}


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "",
        "//",
        "//[",
        "/train.json/",
        "/images/train/1.png",
        "/images/train/000000.png",
        "/images/train/000321.png",
        "/images/validation/000001.png",
        "/images/train/../train/000001.png",
        "/images/train/00000\u0661.png",
        "/worms",
        "/worms/",
        "/worms//",
        "/worms/taxa/info/",
        "/worms/taxa/info",
        "/worms/taxa/info/%FF%00",
        "/worms/taxa/nothing/Sebastes",
        "/worms/names/aphiaid/one",
    ],
)
def test_a_malformed_path_is_not_found(reef, path):
    assert respond(reef, path)[0] == 404


def test_a_page_limit_that_is_not_a_number_is_a_client_error(reef):
    assert respond(reef, "/worms/names?limit=many")[0] == 400


def test_a_page_beyond_the_last_name_is_empty(reef):
    assert json.loads(respond(reef, "/worms/names?offset=100000")[2])["items"] == []


def test_two_reefs_can_be_served_simultaneously_and_their_ports_are_closed_afterwards(reef):
    with serve(reef) as one, serve(reef) as other:
        assert one != other
        assert one.startswith("http://127.0.0.1:")
    with pytest.raises(ConnectionRefusedError):
        get(HTTPConnection(urlsplit(one).netloc, timeout=2), "/train.json")
