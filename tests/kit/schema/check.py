"""Checks documents against the schemas in a folder, one per line: the name, a tab, the document's text
as a JSON string.

Answers with a line for each: empty if it is valid, or else the first error.
"""

import copy
import json
import pathlib
import sys

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match


def walk(part):
    """Yields every object of a schema."""
    if isinstance(part, dict):
        yield part
        part = list(part.values())
    if isinstance(part, list):
        for below in part:
            yield from walk(below)


def strict(schema):
    """Refuses fields that the schema does not name: such a document is not described."""
    # These are completed by fields of the object that refers to them.
    completed = set()
    for part in walk(schema):
        if "properties" in part:
            choices = [*part.get("oneOf", []), *part.get("anyOf", []), *part.get("allOf", [])]
            completed |= {it["$ref"] for it in [part, *choices] if "$ref" in it}
    parts = {f"#/$defs/{name}": part for name, part in schema.get("$defs", {}).items()}
    for name, part in [("#", schema), *parts.items()]:
        choices = [part, *part.get("oneOf", [])]
        if name not in completed and any("properties" in it for it in choices):
            part["unevaluatedProperties"] = False
    return schema


def validators(folder):
    for path in folder.glob("*.json"):
        schema = json.loads(path.read_text())
        Draft202012Validator.check_schema(schema)
        whole = strict(copy.deepcopy(schema))
        yield path.stem, (Draft202012Validator(schema), Draft202012Validator(whole))


def once(fields):
    """Refuses an object with two fields of one name, of which a reader sees only one."""
    names = [name for name, _ in fields]
    for name in set(names):
        assert names.count(name) == 1, f"the field {name!r} occurs twice"
    return dict(fields)


def fault(text, checks):
    try:
        document = json.loads(text, object_pairs_hook=once)
    except AssertionError as twice:
        return str(twice)
    errors = (best_match(it.iter_errors(document)) for it in checks)
    error = next(filter(None, errors), None)
    return f"{error.json_path}: {error.message}" if error else ""


def main():
    known = dict(validators(pathlib.Path(sys.argv[1])))
    for line in sys.stdin:
        name, text = line.split("\t", 1)
        print(fault(json.loads(text), known[name]).replace("\n", " "), flush=True)


main()
