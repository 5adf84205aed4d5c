"""The Darwin Core terms of an occurrence, and their IRIs.

Source: the occurrence core that GBIF registers, http://rs.gbif.org/core/dwc_occurrence_2025-07-10.xml, in its order,
except that `occurrenceID` comes first. OBIS and GBIF read archives by this list.
"""

DWC = "http://rs.tdwg.org/dwc/terms/"

_RECORD = """
type modified language license rightsHolder accessRights bibliographicCitation references feedbackURL institutionID
collectionID datasetID institutionCode collectionCode datasetName ownerInstitutionCode basisOfRecord informationWithheld
dataGeneralizations dynamicProperties
"""
_OCCURRENCE = """
catalogNumber recordNumber recordedBy recordedByID individualCount organismQuantity organismQuantityType sex lifeStage
reproductiveCondition caste behavior vitality establishmentMeans degreeOfEstablishment pathway
georeferenceVerificationStatus occurrenceStatus associatedMedia associatedOccurrences associatedReferences
associatedTaxa otherCatalogNumbers occurrenceRemarks
"""
_ORGANISM = """
organismID organismName organismScope associatedOrganisms previousIdentifications organismRemarks causeOfDeath
"""
_MATERIAL = """
materialEntityID digitalSpecimenID materialEntityType discipline preparations disposition verbatimLabel
associatedSequences materialEntityRemarks materialSampleID
"""
_EVENT = """
eventID parentEventID eventType projectTitle projectID fundingAttribution fundingAttributionID fieldNumber eventDate
eventTime startDayOfYear endDayOfYear year month day verbatimEventDate habitat samplingProtocol sampleSizeValue
sampleSizeUnit samplingEffort fieldNotes eventRemarks
"""
_LOCATION = """
locationID higherGeographyID higherGeography continent waterBody islandGroup island country countryCode stateProvince
county municipality locality verbatimLocality minimumElevationInMeters maximumElevationInMeters verbatimElevation
verticalDatum minimumDepthInMeters maximumDepthInMeters verbatimDepth minimumDistanceAboveSurfaceInMeters
maximumDistanceAboveSurfaceInMeters locationAccordingTo locationRemarks decimalLatitude decimalLongitude geodeticDatum
coordinateUncertaintyInMeters coordinatePrecision pointRadiusSpatialFit verbatimCoordinates verbatimLatitude
verbatimLongitude verbatimCoordinateSystem verbatimSRS footprintWKT footprintSRS footprintSpatialFit georeferencedBy
georeferencedDate georeferenceProtocol georeferenceSources georeferenceRemarks
"""
_GEOLOGICAL_CONTEXT = """
geologicalContextID earliestEonOrLowestEonothem latestEonOrHighestEonothem earliestEraOrLowestErathem
latestEraOrHighestErathem earliestPeriodOrLowestSystem latestPeriodOrHighestSystem earliestEpochOrLowestSeries
latestEpochOrHighestSeries earliestAgeOrLowestStage latestAgeOrHighestStage lowestBiostratigraphicZone
highestBiostratigraphicZone lithostratigraphicTerms group formation member bed
"""
_IDENTIFICATION = """
identificationID verbatimIdentification identificationQualifier typeStatus typifiedName identifiedBy identifiedByID
dateIdentified identificationReferences identificationVerificationStatus identificationRemarks
"""
_TAXON = """
taxonID scientificNameID acceptedNameUsageID parentNameUsageID originalNameUsageID nameAccordingToID namePublishedInID
taxonConceptID scientificName acceptedNameUsage parentNameUsage originalNameUsage nameAccordingTo namePublishedIn
namePublishedInYear higherClassification kingdom phylum class order superfamily family subfamily tribe subtribe genus
genericName subgenus infragenericEpithet specificEpithet infraspecificEpithet cultivarEpithet taxonRank
verbatimTaxonRank scientificNameAuthorship vernacularName nomenclaturalCode taxonomicStatus nomenclaturalStatus
taxonRemarks
"""
_GROUPS = (_RECORD, _OCCURRENCE, _ORGANISM, _MATERIAL, _EVENT, _LOCATION, _GEOLOGICAL_CONTEXT, _IDENTIFICATION, _TAXON)

TERMS = ("occurrenceID", *(term for group in _GROUPS for term in group.split()))

_OTHER_NAMESPACES = {
    **dict.fromkeys(("type", "language"), "http://purl.org/dc/elements/1.1/"),
    **dict.fromkeys(
        ("modified", "license", "rightsHolder", "accessRights", "bibliographicCitation", "references"),
        "http://purl.org/dc/terms/",
    ),
    "fundingAttribution": "http://rs.tdwg.org/ac/terms/",
}


def iri(term: str) -> str:
    """The IRI of one of TERMS."""
    return f"{_OTHER_NAMESPACES.get(term, DWC)}{term}"
