"""Makes the tables in src/careledger/fhir/definitions from HL7's published definitions of FHIR R4 (4.0.1):
r4.json.zst of types and value sets, search.json.zst of search parameters, compartment.json of what is a patient's,
types.txt of names.

    python tools/fhir_definitions.py            take the package from Maven and write the tables
    python tools/fhir_definitions.py --check    compare instead; nothing is written
    python tools/fhir_definitions.py JAR [--check]    from a copy of the package that is already here

HL7 publishes FHIR under CC0. The package that carries the files as published is the one named by ``PACKAGE``
(Apache-2.0); it is needed for making the tables only, never to use them. What each table means is said in
docs/fhir.md.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import zstandard

PACKAGE = "ca.uhn.hapi.fhir:hapi-fhir-validation-resources-r4"
VERSION = "7.6.0"
FOLDER = Path(__file__).resolve().parent.parent / "src/careledger/fhir/definitions"
INSIDE = "org/hl7/fhir/r4/model/"
PROFILES = ("profile/profiles-types.xml", "profile/profiles-resources.xml")
SEARCH = "sp/search-parameters.json"
CODES = ("valueset/valuesets.xml", "valueset/v3-codesystems.xml", "valueset/v2-tables.xml")
SPACE = "{http://hl7.org/fhir}"
BASE = "http://hl7.org/fhir/StructureDefinition/"
SYSTEM = "http://hl7.org/fhirpath/System."
BEST_PRACTICE = BASE + "elementdefinition-bestpractice"
LARGEST = BASE + "elementdefinition-maxValueSet"
PARAMETER = "http://hl7.org/fhir/SearchParameter/"
# In R4 the two parts of this composite name each other's parameter: "code" is no reference, "target" no token.
SWAPPED = {"DocumentReference-relationship": ("DocumentReference-relation", "DocumentReference-relatesto")}
NOT_TAKEN = {"ele-1", "dom-r4b"}  # held for every element by the validator; about no type of R4

Node = ElementTree.Element
Json = dict[str, Any]


def one(node: Node | None, path: str) -> str | None:
    """The value of the first element at a path such as ``base/path``."""
    found = node.find("/".join(SPACE + part for part in path.split("/"))) if node is not None else None
    return None if found is None else found.get("value")


def many(node: Node, path: str) -> list[Node]:
    """All elements at a path."""
    return node.findall("/".join(SPACE + part for part in path.split("/")))


def extension(node: Node, url: str) -> str | None:
    """The value of the extension with this URL."""
    for each in many(node, "extension"):
        if each.get("url") == url:
            return next((child.get("value") for child in each if child.tag.startswith(SPACE + "value")), None)
    return None


def resources(jar: zipfile.ZipFile, names: tuple[str, ...], kind: str) -> Iterator[Node]:
    """All resources of one type in these bundles of the package."""
    for name in names:
        root = ElementTree.fromstring(jar.read(INSIDE + name))  # noqa: S314  a pinned package, not input
        yield from many(root, f"entry/resource/{kind}")


class Definitions:
    """The tables in the making."""

    def __init__(self) -> None:
        self.shapes: dict[str, Json] = {}
        self.resources: list[str] = []
        self.primitives: dict[str, str] = {}
        self.constraints: dict[tuple[object, ...], int] = {}
        self.bound: dict[str, set[str]] = {}

    def take(self, definition: Node) -> None:
        """One StructureDefinition."""
        name, kind = one(definition, "id") or "", one(definition, "kind")
        elements = many(definition, "snapshot/element")
        if kind == "resource":
            self.resources.append(name)
        if kind == "primitive-type":
            self.primitives[name] = self._regex(name, elements)
        elif kind in ("resource", "complex-type"):
            for element in elements:
                self._element(name, kind, element)

    def _regex(self, name: str, elements: list[Node]) -> str:
        value = next(each for each in elements if (one(each, "path") or "").endswith(".value"))
        found = [extension(each, BASE + "regex") for each in many(value, "type")]
        return next((text for text in found if text), "")

    def _element(self, name: str, kind: str, element: Node) -> None:
        path = one(element, "path") or ""
        parts = path.split(".")
        parts[0] = name  # SimpleQuantity constrains Quantity: its paths begin with the other name
        if len(parts) == 1:
            self._shape(name)["held"] = self._constraints(element)
            return
        parent, leaf = self._shape(".".join(parts[:-1])), parts[-1]
        for code, targets in self._types(element, ".".join(parts)):
            made = code
            if leaf == "id":
                made = "id" if kind == "resource" and len(parts) == 2 else "string"
            self._put(parent, leaf, made, targets, element)
        if many(element, "type") and self._is_parent(element):
            self._shape(".".join(parts))["held"] = self._constraints(element)

    @staticmethod
    def _is_parent(element: Node) -> bool:
        return one(many(element, "type")[0], "code") in ("BackboneElement", "Element")

    def _shape(self, path: str) -> Json:
        return self.shapes.setdefault(path, {"held": [], "elements": {}, "choices": {}})

    def _types(self, element: Node, path: str) -> Iterator[tuple[str, list[str]]]:
        elsewhere = one(element, "contentReference")
        if elsewhere:
            yield elsewhere.removeprefix("#"), []
        for kind in many(element, "type"):
            code = one(kind, "code") or ""
            if code.startswith(SYSTEM):
                code = extension(kind, BASE + "structuredefinition-fhir-type") or ""
            profile = one(kind, "profile")
            if profile:
                code = profile.removeprefix(BASE)
            targets = [(each.get("value") or "").removeprefix(BASE) for each in many(kind, "targetProfile")]
            yield path if self._is_parent(element) else code, targets

    def _put(self, shape: Json, leaf: str, code: str, targets: list[str], element: Node) -> None:
        least, most = int(one(element, "min") or 0), one(element, "max")
        if most == "0":
            return
        name = leaf.removesuffix("[x]")
        if leaf.endswith("[x]"):
            name += {"SimpleQuantity": "Quantity"}.get(code, code[0].upper() + code[1:])
            choice = shape["choices"].setdefault(leaf.removesuffix("[x]"), [least, []])
            choice[1].append(name)
            least = 0
        made = {"type": code, "min": least, "max": 0 if most == "*" else int(most or 1)}
        stated = code == "Extension" or self._is_parent_of(element)  # then the shape itself says it
        optional = {
            "targets": [] if targets == ["Resource"] else targets,
            "held": [] if stated else self._constraints(element),
            "bound": self._binding(element, code),
            "summary": int(one(element, "isSummary") == "true"),
            "modifier": int(one(element, "isModifier") == "true"),
        }
        shape["elements"][name] = made | {key: value for key, value in optional.items() if value}

    def _is_parent_of(self, element: Node) -> bool:
        return bool(many(element, "type")) and self._is_parent(element)

    def _constraints(self, element: Node) -> list[int]:
        made = []
        for each in many(element, "constraint"):
            key = one(each, "key") or ""
            if key in NOT_TAKEN:
                continue
            best = extension(each, BEST_PRACTICE) == "true"
            whole = (key, one(each, "severity"), one(each, "human"), one(each, "expression") or "", int(best))
            made.append(self.constraints.setdefault(whole, len(self.constraints)))
        return made

    def _binding(self, element: Node, code: str) -> list[str]:
        found = element.find(SPACE + "binding")
        url = (one(found, "valueSet") or "").partition("|")[0]
        strength = one(found, "strength") or "example"
        if found is not None and extension(found, LARGEST) and strength != "required":
            self.bound.setdefault((extension(found, LARGEST) or "").partition("|")[0], set()).add("largest")
        if (
            not url
            or strength == "example"
            or code not in ("code", "Coding", "CodeableConcept", "Quantity", "uri")
        ):
            return []
        self.bound.setdefault(url, set()).add(strength)
        largest = (extension(found, LARGEST) or "").partition("|")[0] if found is not None else ""
        return [strength, url, *([largest] if largest else [])]


class Expansions:
    """The codes of the value sets, as far as the published files give them."""

    def __init__(self, jar: zipfile.ZipFile) -> None:
        self.systems = {one(each, "url") or "": each for each in resources(jar, CODES, "CodeSystem")}
        self.sets = {one(each, "url") or "": each for each in resources(jar, CODES, "ValueSet")}

    def of(self, url: str) -> Json:
        """``{"codes": {system: [code]}}``, or ``{"why": ...}`` where the files do not list them."""
        found: dict[str, set[str]] = {}
        try:
            self._add(url, found)
        except LookupError as missing:
            return {"why": str(missing.args[0])}
        return {"codes": {system: sorted(codes) for system, codes in sorted(found.items())}}

    def _add(self, url: str, found: dict[str, set[str]]) -> None:
        if url not in self.sets:
            raise LookupError("the value set is not published with FHIR R4")
        composed = self.sets[url].find(SPACE + "compose")
        if composed is None:
            raise LookupError("the value set lists nothing")
        for part in many(composed, "include"):
            for system, codes in self._part(part).items():
                found.setdefault(system, set()).update(codes)
        for part in many(composed, "exclude"):
            for system, codes in self._part(part).items():
                found.get(system, set()).difference_update(codes)

    def _part(self, part: Node) -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        for other in many(part, "valueSet"):
            self._add((other.get("value") or "").partition("|")[0], found)
        system = (one(part, "system") or "").partition("|")[0]
        if not system:
            return found
        listed = {one(each, "code") or "" for each in many(part, "concept")}
        return found | {system: listed or self._from_system(system, many(part, "filter"))}

    def _from_system(self, system: str, filters: list[Node]) -> set[str]:
        definition = self.systems.get(system)
        if definition is None or one(definition, "content") != "complete":
            raise LookupError(f"the codes of {system} are not published with FHIR R4")
        codes = set(self._below(definition))
        for each in filters:
            asked = (one(each, "property"), one(each, "op"))
            inside = self._descendants(definition, one(each, "value") or "")
            if asked == ("concept", "is-a"):
                codes &= inside
            elif asked == ("concept", "is-not-a"):
                codes -= inside
            else:
                raise LookupError(f"a filter on {asked[0]} that is not understood")
        return codes

    def _below(self, node: Node) -> Iterator[str]:
        for concept in many(node, "concept"):
            yield one(concept, "code") or ""
            yield from self._below(concept)

    def _descendants(self, definition: Node, top: str) -> set[str]:
        """A code and all below it: by nesting, and by the property subsumedBy that HL7's version 3 uses."""
        found = {top}
        every = list(definition.iter(SPACE + "concept"))
        while True:
            size = len(found)
            for concept in every:
                if one(concept, "code") in found:
                    found |= set(self._below(concept))
                parents = {
                    one(each, "valueCode")
                    for each in many(concept, "property")
                    if one(each, "code") == "subsumedBy"
                }
                if parents & found:
                    found.add(one(concept, "code") or "")
            if len(found) == size:
                return found


def tables(jar: zipfile.ZipFile) -> Json:
    """All tables, from the package."""
    made = Definitions()
    for definition in resources(jar, PROFILES, "StructureDefinition"):
        made.take(definition)
    expansions = Expansions(jar)
    return {
        "source": {"package": PACKAGE, "version": VERSION, "fhir": "4.0.1"},
        "resources": sorted(made.resources),
        "primitives": made.primitives,
        "constraints": [list(each) for each in made.constraints],
        "shapes": {name: slim(shape) for name, shape in sorted(made.shapes.items())},
        "sets": {url: expansions.of(url) for url in sorted(made.bound)},
    }


def parameters(jar: zipfile.ZipFile) -> Json:
    """The table of search parameters, from the package."""
    found = [each["resource"] for each in json.loads(jar.read(INSIDE + SEARCH))["entry"]]
    by_url = {each["url"]: each for each in found}
    return {
        "source": {"package": PACKAGE, "version": VERSION, "fhir": "4.0.1"},
        "parameters": [parameter(each, by_url) for each in sorted(found, key=lambda one: str(one["id"]))],
    }


def parameter(one: Json, by_url: dict[str, Json]) -> Json:
    """One search parameter, and of a composite one the name, type and expression of each part."""
    parts = one.get("component", [])
    urls = [PARAMETER + name for name in SWAPPED.get(one["id"], ())] or [each["definition"] for each in parts]
    named = [by_url[url] for url in urls]
    optional = {
        "expression": one.get("expression"),
        "targets": one.get("target"),
        "usage": one["xpathUsage"] if one["xpathUsage"] != "normal" else None,
        "parts": [
            [each["code"], each["type"], part["expression"]] for each, part in zip(named, parts, strict=True)
        ],
    }
    made = {"name": one["code"], "type": one["type"], "url": one["url"], "bases": one["base"]}
    return made | {key: value for key, value in optional.items() if value}


def compartment(jar: zipfile.ZipFile, code: str) -> Json:
    """The types of a compartment, each with the parameters by which one of them is in it."""
    for each in resources(jar, PROFILES, "CompartmentDefinition"):
        if one(each, "code") == code:
            types = {one(part, "code") or "": many(part, "param") for part in many(each, "resource")}
            return {
                "source": {"package": PACKAGE, "version": VERSION, "fhir": "4.0.1"},
                "url": one(each, "url"),
                "types": {
                    name: [param.get("value") for param in found]
                    for name, found in sorted(types.items())
                    if found
                },
            }
    raise LookupError(code)


def slim(shape: Json) -> Json:
    """A shape without what is empty."""
    return {key: value for key, value in shape.items() if value or key == "elements"}


def fetched(folder: Path) -> Path:
    """The package, by Maven's own client."""
    goal = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy"
    asks = [f"-Dartifact={PACKAGE}:{VERSION}", f"-DoutputDirectory={folder}", "-Dmdep.useBaseVersion=true"]
    subprocess.run(["mvn", "-q", "-B", goal, *asks], check=True, stdin=subprocess.DEVNULL)
    return next(folder.glob("*.jar"))


def files(jar: zipfile.ZipFile) -> dict[str, bytes]:
    """What is committed, by the file's name, before compression."""
    found = tables(jar)
    listed = "".join(f"{name}\n" for name in found["resources"])  # needed where nothing is validated
    return {
        "r4.json.zst": encoded(found),
        "search.json.zst": encoded(parameters(jar)),
        "compartment.json": encoded(compartment(jar, "Patient")) + b"\n",
        "types.txt": listed.encode(),
    }


def encoded(found: Json) -> bytes:
    """A table as text."""
    return json.dumps(found, separators=(",", ":"), ensure_ascii=False).encode()


def same(name: str, content: bytes) -> bool:
    """Whether the committed file says this; compression may differ."""
    there = (FOLDER / name).read_bytes() if (FOLDER / name).exists() else b""
    packed = name.endswith(".zst") and there
    return (zstandard.ZstdDecompressor().decompress(there) if packed else there) == content


def write(name: str, content: bytes) -> None:
    """The file as it is committed."""
    packed = zstandard.ZstdCompressor(level=19).compress(content) if name.endswith(".zst") else content
    (FOLDER / name).write_bytes(packed)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("jar", nargs="?", type=Path)
    parser.add_argument("--check", action="store_true", help="compare with the committed tables")
    chosen = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as scratch,
        zipfile.ZipFile(chosen.jar or fetched(Path(scratch))) as jar,
    ):
        made = files(jar)
    differing = [name for name, content in made.items() if not same(name, content)]
    if chosen.check:
        print(f"these differ: {', '.join(differing)}" if differing else "the tables are those of the package")
        return 1 if differing else 0
    for name in differing:
        write(name, made[name])
    return 0


if __name__ == "__main__":
    sys.exit(main())
