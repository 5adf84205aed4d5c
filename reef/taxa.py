"""The reef's taxa: an excerpt of WoRMS, and the 26 concepts that label its frames."""

from dataclasses import dataclass, field
from functools import cache

REEF_APHIA_IDS = 990_000_001
"""The first of the reef's own AphiaIDs, far above any that WoRMS has assigned. Nodes without an AphiaID below are
numbered from here in the order of the tree."""

TREE = """
Superdomain Biota 1
  Kingdom Animalia 2 | animals
    Phylum Annelida 882 | segmented worms
      Class Polychaeta 883 | bristle worms
        Subclass Sedentaria
          Infraclass Canalipalpata
            Order Sabellida
              Family Serpulidae 988
    Phylum Arthropoda 1065
      Subphylum Crustacea 1066 | crustaceans
        Superclass Multicrustacea
          Class Malacostraca 1071
            Subclass Eumalacostraca
              Superorder Eucarida
                Order Decapoda 1130 | decapods
                  Suborder Pleocyemata
                    Infraorder Brachyura 106673 | true crabs
                      Superfamily Majoidea
                        Family Oregoniidae
                          Genus Chionoecetes
                            Species Chionoecetes tanneri | grooved tanner crab
                    Infraorder Caridea 106674 | caridean shrimps
                      Superfamily Pandaloidea
                        Family Pandalidae
                          Genus Pandalus
                            Species Pandalus platyceros | spot prawn
    Phylum Chordata 1821 | chordates
      Subphylum Tunicata 146420 | tunicates, Urochordata
        Class Appendicularia 146421 | Larvacea, larvaceans
          Order Copelata
            Family Oikopleuridae
              Subfamily Bathochordaeinae
                Genus Bathochordaeus | giant larvaceans
      Subphylum Vertebrata 146419 | vertebrates
        Infraphylum Gnathostomata
          Parvphylum Osteichthyes
            Gigaclass Actinopterygii 10194 | ray-finned fishes
              Superclass Actinopteri
                Class Teleostei
                  Order Perciformes
                    Suborder Scorpaenoidei
                      Family Sebastidae
                        Subfamily Sebastinae
                          Genus Sebastes | Sebastodes, rockfishes
                            Species Sebastes diploproa | splitnose rockfish
    Phylum Cnidaria 1267 | cnidarians
      Subphylum Anthozoa 1292
        Class Hexacorallia 1340
          Order Actiniaria 1360 | sea anemones
            Suborder Enthemonae
              Family Liponematidae
                Genus Liponema
                  Species Liponema brevicorne | Bolocera brevicornis, pom-pom anemone
        Class Octocorallia 1341 | Alcyonaria
          Order Scleralcyonacea
            Family Coralliidae
              Genus Paragorgia | bubblegum corals
                Species Paragorgia arborea | Alcyonium arboreum
            Superfamily Pennatuloidea
              Family Pennatulidae
                Genus Pennatula
                  Species Pennatula phosphorea | phosphorescent sea pen
      Subphylum Medusozoa
        Class Scyphozoa 135220 | true jellyfish
          Subclass Discomedusae
            Order Semaeostomeae
              Family Ulmaridae
                Subfamily Aureliinae
                  Genus Aurelia 135263
                    Species Aurelia aurita 135306 | Medusa aurita, moon jelly
    Phylum Echinodermata 1806 | echinoderms
      Subphylum Asterozoa
        Class Asteroidea 123080 | sea stars, starfish
          Superorder Valvatacea
            Order Valvatida
              Family Goniasteridae
                Genus Hippasteria
        Class Ophiuroidea 123084 | brittle stars
      Subphylum Crinozoa
        Class Crinoidea 123081 | sea lilies, feather stars
          Subclass Articulata
            Order Comatulida
              Family Antedonidae
                Genus Florometra
                  Species Florometra serratissima | Antedon serratissima
      Subphylum Echinozoa
        Class Echinoidea 123082 | sea urchins
          Subclass Euechinoidea
            Order Camarodonta
              Family Strongylocentrotidae
                Genus Strongylocentrotus
                  Species Strongylocentrotus fragilis | Allocentrotus fragilis, fragile pink urchin
        Class Holothuroidea 123083 | sea cucumbers
          Order Elasipodida
            Family Elpidiidae
              Genus Scotoplanes | sea pigs
                Species Scotoplanes globosa | Elpidia globosa
    Phylum Mollusca 51 | molluscs
      Class Cephalopoda 11707 | cephalopods
        Subclass Coleoidea
          Superorder Octopodiformes
            Order Octopoda 11718 | octopuses
              Suborder Incirrata
                Superfamily Octopodoidea
                  Family Octopodidae
                    Genus Octopus
                      Species Octopus rubescens | ruby octopus
    Phylum Porifera 558 | sponges
      Class Demospongiae 164811
        Subclass Heteroscleromorpha
          Order Poecilosclerida
            Suborder Mycalina
              Family Cladorhizidae
                Genus Asbestopluma
                  Species Asbestopluma monticola
"""
"""One node per line, indented below its parent: rank, name, AphiaID if known for certain, alternate names."""

CONCEPT_WEIGHTS: dict[str, float] = {
    "Actinopterygii": 2.0,
    "Asbestopluma": 1.0,
    "Asbestopluma monticola": 0.6,
    "Asteroidea": 1.6,
    "Aurelia aurita": 0.8,
    "Bathochordaeus": 0.6,
    "Caridea": 1.5,
    "Chionoecetes tanneri": 1.5,
    "Florometra serratissima": 1.4,
    "Hippasteria": 1.0,
    "Holothuroidea": 1.2,
    "Liponema brevicorne": 1.2,
    "Octopoda": 0.5,
    "Octopus rubescens": 0.8,
    "Ophiuroidea": 2.2,
    "Pandalus platyceros": 1.2,
    "Paragorgia": 0.8,
    "Paragorgia arborea": 1.2,
    "Pennatula phosphorea": 0.8,
    "Porifera": 1.8,
    "Scotoplanes": 0.7,
    "Scotoplanes globosa": 1.0,
    "Sebastes": 3.0,
    "Sebastes diploproa": 1.4,
    "Serpulidae": 0.7,
    "Strongylocentrotus fragilis": 2.4,
}
"""Relative frequencies in the half of the individuals that is drawn by weight. Aurelia aurita, Bathochordaeus and
Octopoda are not among the competition's 79 names, so resolving them requires WoRMS."""

CONCEPTS: tuple[str, ...] = tuple(sorted(CONCEPT_WEIGHTS))
"""The category names in order of id; ids start at 1."""


@dataclass(frozen=True)
class Taxon:
    """A node of the reef's WoRMS."""

    name: str
    rank: str
    """Capitalised as in WoRMS: one of the seven ranks, or one between them."""

    aphia_id: int
    alternate_names: tuple[str, ...]
    """Synonyms and common names, in alphabetical order."""

    parent: "Taxon | None"
    children: "list[Taxon]" = field(default_factory=list, compare=False, repr=False)
    """In alphabetical order."""

    @property
    def path(self) -> "tuple[Taxon, ...]":
        """The taxa from the root down to this one, inclusive."""
        return (*self.parent.path, self) if self.parent else (self,)

    @property
    def subtree(self) -> "tuple[Taxon, ...]":
        """This taxon and all its descendants, parents before children."""
        return (self, *(taxon for child in self.children for taxon in child.subtree))


@cache
def root() -> Taxon:
    """The root of the reef's WoRMS, with its descendants."""
    trail: list[Taxon] = []
    for number, line in enumerate(TREE.strip("\n").split("\n")):
        text, _, alternates = line.partition("|")
        depth = (len(text) - len(text.lstrip())) // 2
        rank, *words = text.split()
        aphia_id = int(words.pop()) if words[-1].isdigit() else REEF_APHIA_IDS + number
        names = tuple(sorted(name.strip() for name in alternates.split(",") if name.strip()))
        taxon = Taxon(" ".join(words), rank, aphia_id, names, trail[depth - 1] if depth else None)
        if taxon.parent:
            taxon.parent.children.append(taxon)
            taxon.parent.children.sort(key=lambda child: child.name)
        trail[depth:] = [taxon]
    return trail[0]


@cache
def by_name() -> dict[str, Taxon]:
    """The taxon of every accepted or alternate name in the reef's WoRMS."""
    taxa = root().subtree
    names = {alternate: taxon for taxon in taxa for alternate in taxon.alternate_names}
    return names | {taxon.name: taxon for taxon in taxa}
