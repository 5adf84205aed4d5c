"""The 79 names of FathomNet 2025 (FGVC 12) with the lineages that the organisers score with.

Provenance: read off the organisers' own metric, by running it; the tree below reproduces all 6,241 cells of the
official 79 x 79 distance matrix (tests/lineages/test_fgvc2025.py). It has 192 nodes, and 12 of the 79 are ancestors
of others.

It is what the score depends on, so it stays as it is when WoRMS moves on. Where it differs from WoRMS:

- Zoantharia is an order in WoRMS. The organisers' table has it without an order, so here it is a leaf right below
  Hexacorallia without descendants. Its distances to the other 78 are what an order's would be; a zoanthid genus,
  were one added, would not be below it. Its rank is `unranked`, which claims none.
- Caridea, Acanthascinae, Actinopterygii and Tunicata stand between the seven ranks in WoRMS too (infraorder,
  subfamily, gigaclass, subphylum). The metric hangs them as leaves: the shrimps *Pandalus* and *Heterocarpus* are not
  below Caridea, the fishes not below Actinopterygii, *Pyrosoma* not below Tunicata, *Staurocalyptus* not below
  Acanthascinae.
- Ranks between the seven (Anthozoa as a subphylum, suborders, subfamilies ...) are left out, as in the metric.
- Any other name may be revised in WoRMS at any time. `taxonomy.refresh: true` asks and prints what moved.

AphiaIDs are not part of the metric and are left open.
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
"""One node a line, two spaces deeper a rank lower, from kingdom to species. A leaf is one of the 79 names; so is an
inner node with a `*`; a name in no rank of the seven carries its own rank in brackets."""


@cache
def lineages() -> tuple[Lineage, ...]:
    """The 79 lineages, in the order of the tree."""
    lines = TREE.splitlines()
    depths = [(len(line) - len(line.lstrip())) // 2 for line in lines]
    names: dict[Rank, str] = {}
    found = []
    for line, depth, next_depth in zip(lines, depths, [*depths[1:], 0], strict=True):
        text, _, between = line.strip().rstrip(")").partition(" (")
        name = text.removesuffix(" *")
        names = {rank: names[rank] for rank in RANKS[:depth]}
        if not between:
            names[RANKS[depth]] = name
        if next_depth <= depth or text != name:
            found.append(Lineage(name, name, between or RANKS[depth].value, dict(names), origin=ORIGIN))
    return tuple(found)
