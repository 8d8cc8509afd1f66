#!/bin/sh
# Makes src/careledger/sample again: Synthea 3.3.0, two populations with fixed seeds, then rewrite.py.
# Needs Java 17, Maven and this project's Python environment; takes about five minutes. WORK is scratch space.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=${WORK:-$(mktemp -d)}
cd "$work"
mvn -q -B -f "$here/pom.xml" dependency:copy-dependencies -DoutputDirectory="$work/lib"

synthea() {
    seed=$1 people=$2 folder=$3
    shift 3
    java -Xmx3g -cp 'lib/*' App -s "$seed" -cs "$seed" -r 20240601 -e 20240601 -p "$people" \
        --exporter.baseDirectory="$work/$folder" --generate.thread_pool_size=1 \
        --exporter.fhir.transaction_bundle=true --exporter.hospital.fhir.export=true \
        --exporter.practitioner.fhir.export=true "$@" Massachusetts
}

synthea 42 60 living
synthea 43 8 dead --generate.only_dead_patients=true
"${PYTHON:-python}" "$here/rewrite.py" "$here/patients.txt" "$here/../src/careledger/sample" \
    "$work/living/fhir" "$work/dead/fhir"
