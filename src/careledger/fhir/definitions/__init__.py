"""What HL7's published definitions of FHIR R4 say, as tables that tools/fhir_definitions.py makes."""
