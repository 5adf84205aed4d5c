"""The organisms that the reef can draw, and the taxon of each.

A form is the appearance of one species. Phylum determines the body plan, class and order the arrangement and
proportions, genus the colours, species a mark. A concept of a higher rank is drawn as any form of its clade.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from math import pi

from numpy.random import Generator

from reef.anatomy import Part
from reef.bodies import annelids, arthropods, chordates, cnidarians, echinoderms, molluscs, sponges
from reef.taxa import by_name


@dataclass(frozen=True)
class Form:
    """The appearance of one kind of organism."""

    clade: str
    """The name of the deepest taxon in the reef's WoRMS that this form belongs to."""

    plan: Callable[[Generator], list[Part]]
    """Poses one individual at random and returns its parts, from back to front."""

    swims: bool = False
    """True: in open water. False: on the seabed."""

    tilt: float = 0.15
    """Standard deviation of its orientation in radians; pi: any orientation is equally likely."""

    flat: bool = False
    """Lies flat on the seabed, so a slanting camera sees it foreshortened."""

    bulk: float = 1.0
    """Its usual box area, relative to the reef's median."""


_lying = partial(Form, flat=True, tilt=pi)
_swimming = partial(Form, swims=True, tilt=0.2)

FORMS: tuple[Form, ...] = (
    Form("Asbestopluma monticola", partial(sponges.twig, colour=(214, 204, 178), branches=6, bottlebrush=False)),
    Form("Asbestopluma", partial(sponges.twig, colour=(206, 202, 190), branches=0, bottlebrush=True), bulk=0.8),
    Form("Porifera", partial(sponges.goblet, colour=(226, 214, 178)), bulk=1.5),
    Form("Porifera", partial(sponges.crust, colour=(226, 176, 72)), bulk=1.1),
    Form("Aurelia aurita", partial(cnidarians.medusa, colour=(190, 214, 232)), swims=True, tilt=0.5, bulk=1.3),
    Form("Liponema brevicorne", partial(cnidarians.pompom, colour=(232, 138, 128)), bulk=1.1),
    Form("Paragorgia arborea", partial(cnidarians.sea_fan, colour=(206, 58, 70), stoutness=0.085, tips=0.85), bulk=2.6),
    Form("Paragorgia", partial(cnidarians.sea_fan, colour=(232, 150, 92), stoutness=0.055, tips=0.7), bulk=2.2),
    Form("Pennatula phosphorea", partial(cnidarians.sea_pen, colour=(190, 52, 58)), tilt=0.25),
    _lying("Hippasteria", partial(echinoderms.star, colour=(222, 92, 48), waist=0.62, knobs=0.026)),
    _lying("Hippasteria", partial(echinoderms.star, colour=(226, 132, 84), waist=0.56, knobs=0.034)),
    _lying("Asteroidea", partial(echinoderms.star, colour=(196, 44, 36), waist=0.42, knobs=0.014)),
    _lying("Asteroidea", partial(echinoderms.sun_star, colour=(216, 126, 62), arms=15), bulk=1.3),
    _lying("Ophiuroidea", partial(echinoderms.brittle_star, colour=(206, 150, 104), banded=False), bulk=1.2),
    _lying("Ophiuroidea", partial(echinoderms.brittle_star, colour=(178, 92, 78), banded=True), bulk=1.2),
    Form("Florometra serratissima", partial(echinoderms.feather_star, colour=(200, 156, 92)), bulk=1.3),
    Form("Strongylocentrotus fragilis", partial(echinoderms.urchin, colour=(226, 134, 112)), tilt=pi, bulk=0.75),
    Form("Scotoplanes globosa", partial(echinoderms.sea_pig, colour=(226, 204, 200), plumpness=0.40, whips=4)),
    Form("Scotoplanes", partial(echinoderms.sea_pig, colour=(206, 142, 156), plumpness=0.28, whips=6)),
    Form(
        "Holothuroidea",
        partial(echinoderms.sea_cucumber, colour=(128, 62, 104), slimness=0.2, papillae=22),
        flat=True,
        tilt=0.5,
    ),
    Form(
        "Holothuroidea",
        partial(echinoderms.sea_cucumber, colour=(196, 88, 72), slimness=0.3, papillae=8),
        flat=True,
        tilt=0.5,
    ),
    Form("Octopus rubescens", partial(molluscs.octopus, colour=(168, 66, 44), warts=0.7, web=0.0), bulk=1.2),
    Form("Octopoda", partial(molluscs.octopus, colour=(176, 132, 158), warts=0.25, web=0.45), bulk=1.2),
    Form("Octopoda", partial(molluscs.umbrella_octopus, colour=(214, 120, 84)), swims=True, tilt=0.35),
    Form("Chionoecetes tanneri", partial(arthropods.crab, colour=(204, 118, 70)), flat=True, tilt=0.5, bulk=1.3),
    Form("Pandalus platyceros", partial(arthropods.shrimp, colour=(214, 78, 48), spots=True, glass=0.0), bulk=0.8),
    Form("Caridea", partial(arthropods.shrimp, colour=(168, 36, 40), spots=False, glass=0.0), bulk=0.8),
    Form("Caridea", partial(arthropods.shrimp, colour=(220, 190, 176), spots=False, glass=1.0), bulk=0.7),
    _swimming("Sebastes diploproa", partial(chordates.rockfish, colour=(222, 112, 104), mark="belly", eye=0.06)),
    _swimming("Sebastes", partial(chordates.rockfish, colour=(220, 92, 52), mark="bands", eye=0.04), bulk=1.3),
    _swimming("Sebastes", partial(chordates.rockfish, colour=(124, 118, 92), mark="blotches", eye=0.04), bulk=1.3),
    _swimming("Actinopterygii", partial(chordates.long_fish, colour=(150, 146, 142), depth=0.15), bulk=1.2),
    Form("Actinopterygii", partial(chordates.flatfish, colour=(146, 116, 82)), flat=True, tilt=0.6),
    Form("Bathochordaeus", partial(chordates.larvacean, colour=(186, 212, 228)), swims=True, tilt=0.4, bulk=1.4),
    Form("Serpulidae", partial(annelids.tube_worms, crown=(222, 70, 62)), bulk=0.8),
)


@cache
def forms_of(concept: str) -> tuple[Form, ...]:
    """The forms that may carry the label `concept`: those of its clade."""
    return tuple(form for form in FORMS if concept in {taxon.name for taxon in by_name()[form.clade].path})
