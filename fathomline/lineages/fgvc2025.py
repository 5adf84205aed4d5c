"""The 79 names of FathomNet 2025 (FGVC 12), with the lineages by which the organisers score.

Provenance: derived by running the organisers' own metric. The tree below reproduces all 6,241 cells of the official
79 x 79 distance matrix (tests/lineages/test_fgvc2025.py). It has 192 nodes, and 12 of the 79 names are ancestors of
others.

The score depends on this tree, so it does not follow later revisions of WoRMS. It differs from WoRMS as follows:

- Zoantharia is an order in WoRMS. The organisers' table gives it no order, so here it is a leaf directly below
  Hexacorallia. Its distances to the other 78 names are those of an order, but a zoanthid genus, if one were added,
  would not be below it. Its rank is `unranked`.
- Caridea, Acanthascinae, Actinopterygii and Tunicata have intermediate ranks in WoRMS, too (infraorder, subfamily,
  gigaclass, subphylum). The metric treats them as leaves: the shrimps *Pandalus* and *Heterocarpus* are not below
  Caridea, the fishes not below Actinopterygii, *Pyrosoma* not below Tunicata, *Staurocalyptus* not below
  Acanthascinae.
- Other intermediate ranks (Anthozoa as a subphylum, suborders, subfamilies ...) are left out, as in the metric.
- WoRMS may revise any other name at any time. `taxonomy.refresh: true` asks WoRMS and prints what changed.

AphiaIDs are not part of the metric and are left out.
"""

from functools import cache

from fathomline.taxonomy.lineage import Lineage
from fathomline.taxonomy.ranks import RANKS, Rank

ORIGIN = "fgvc2025"

TREE = """\
Animalia
  Annelida
    Polychaeta
      Sabellida
        Serpulidae
      Terebellida
        Terebellidae
  Arthropoda
    Malacostraca
      Amphipoda
      Decapoda
        Caridea (infraorder)
        Epialtidae
          Chorilia
            Chorilia longipes
        Lithodidae *
          Paralomis
            Paralomis multispina
        Munidopsidae
          Munidopsis
        Oregoniidae
          Chionoecetes
            Chionoecetes tanneri
        Pandalidae
          Heterocarpus
          Pandalus
            Pandalus amplus
            Pandalus platyceros
      Isopoda
        Munnopsidae
  Chordata
    Actinopterygii (gigaclass)
    Teleostei
      Gadiformes
        Merlucciidae
          Merluccius
            Merluccius productus
      Perciformes
        Sebastidae
          Sebastes *
            Sebastes diploproa
          Sebastolobus
      Pleuronectiformes
        Pleuronectidae
          Microstomus
            Microstomus pacificus
    Thaliacea
      Pyrosomatida
        Pyrosomatidae
          Pyrosoma
            Pyrosoma atlanticum
    Tunicata (subphylum)
  Cnidaria
    Hexacorallia
      Actiniaria *
        Actinernidae
          Actinernus
        Actiniidae
          Isosicyonis
        Hormathiidae
        Liponematidae
          Liponema
            Liponema brevicorne
        Metridiidae
          Metridium
            Metridium farcimen
      Ceriantharia
      Corallimorpharia
        Corallimorphidae
          Corallimorphus
            Corallimorphus pilatus
      Scleractinia
      Zoantharia (unranked)
    Hydrozoa
      Trachymedusae
        Ptychogastriidae
          Ptychogastria
            Ptychogastria polaris
        Rhopalonematidae
          Benthocodon
            Benthocodon pedunculata
    Octocorallia
      Malacalcyonacea
        Alcyoniidae
          Gersemia
            Gersemia juliepackardae
        Isididae
      Scleralcyonacea
        Coralliidae
          Heteropolypus
            Heteropolypus ritteri
          Paragorgia *
            Paragorgia arborea
        Funiculinidae
          Funiculina
        Keratoisididae
          Isidella
            Isidella tentaculum
          Keratoisis
        Pennatulidae
          Pennatula
            Pennatula phosphorea
        Primnoidae
          Parastenella
        Umbellulidae
          Umbellula
        Virgulariidae
          Acanthoptilum
  Echinodermata
    Asteroidea *
      Brisingida
      Forcipulatida
        Asteriidae
          Rathbunaster
            Rathbunaster californicus
      Valvatida
        Goniasteridae
          Hippasteria
          Mediaster
            Mediaster aequalis
    Crinoidea *
      Comatulida
        Antedonidae
          Florometra
            Florometra serratissima
        Zenometridae
          Psathyrometra
            Psathyrometra fragilis
    Echinoidea
      Camarodonta
        Strongylocentrotidae
          Strongylocentrotus
            Strongylocentrotus fragilis
    Holothuroidea *
      Dendrochirotida
        Cucumariidae
          Abyssocucumis
            Abyssocucumis abyssorum
        Psolidae
          Psolus
            Psolus squamatus
      Elasipodida
        Elpidiidae
          Elpidia
          Peniagone
          Scotoplanes *
            Scotoplanes globosa
        Laetmogonidae
          Pannychia
            Pannychia moseleyi
      Synallactida
        Stichopodidae
          Apostichopus
            Apostichopus leukothele
        Synallactidae
          Paelopatides
            Paelopatides confundens
    Ophiuroidea *
      Ophiacanthida
        Ophiacanthidae
  Mollusca
    Bivalvia
      Pectinida
        Pectinidae
          Delectopecten
      Venerida
        Vesicomyidae
    Cephalopoda
      Octopoda
        Octopodidae
          Octopus
            Octopus rubescens
    Gastropoda
  Porifera *
    Demospongiae
      Poecilosclerida
        Cladorhizidae
          Asbestopluma *
            Asbestopluma monticola
        Mycalidae
          Mycale
    Hexactinellida *
      Lyssacinosida
        Rossellidae
          Acanthascinae (subfamily)
          Staurocalyptus
      Sceptrulophora
        Aphrocallistidae
          Heterochone
            Heterochone calyx
        Farreidae
          Farrea
"""
"""One node per line, from kingdom to species; two more spaces of indentation mean one rank lower. The 79 names are the
leaves and the inner nodes marked with `*`. A name of an intermediate rank has its rank in brackets."""


@cache
def lineages() -> tuple[Lineage, ...]:
    """The 79 lineages, in the order of the tree."""
    lines = TREE.splitlines()
    depths = [(len(line) - len(line.lstrip())) // 2 for line in lines]
    names: dict[Rank, str] = {}
    found = []
    for line, depth, next_depth in zip(lines, depths, [*depths[1:], 0], strict=True):
        text, _, own_rank = line.strip().rstrip(")").partition(" (")
        name = text.removesuffix(" *")
        names = {rank: names[rank] for rank in RANKS[:depth]}
        if not own_rank:
            names[RANKS[depth]] = name
        if next_depth <= depth or text != name:
            found.append(Lineage(name, name, own_rank or RANKS[depth].value, dict(names), origin=ORIGIN))
    return tuple(found)
