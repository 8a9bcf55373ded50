# Executes two queries on one database and compares what they give. Reads a JSON object from stdin: `database` (base64 of an SQLite file)
# or `script` (SQL that makes one), `gold`, `predicted`, `seconds` for each query. Writes one: an `error` of each query, `is_equal`.
# SQL runs no code of its own here: queries may read, and nothing else (no ATTACH, no PRAGMA, no extension).
import base64, collections, json, re, sqlite3, sys, time

MAX_ROWS = 1_000_000
READING = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, getattr(sqlite3, "SQLITE_RECURSIVE", 33)}


def allow(action, first, second, database, trigger):
    if action == sqlite3.SQLITE_FUNCTION and str(second).lower() == "load_extension":
        return sqlite3.SQLITE_DENY
    return sqlite3.SQLITE_OK if action in READING else sqlite3.SQLITE_DENY


def rows_of(query, seconds):
    connection = sqlite3.connect("file:data.sqlite?mode=ro&immutable=1", uri=True)
    connection.text_factory = lambda text: text.decode("utf-8", "surrogateescape")
    connection.set_authorizer(allow)
    end = time.process_time() + seconds
    connection.set_progress_handler(lambda: time.process_time() > end, 10_000)
    try:
        cursor = connection.execute(query)
        if cursor.description is None:
            return None, "expected a query that gives rows, found another statement"
        rows = cursor.fetchmany(MAX_ROWS + 1)
    except (sqlite3.Error, sqlite3.Warning, ValueError) as error:
        if time.process_time() > end:
            return None, "took more than %g s of CPU time" % seconds
        return None, "%s: %s" % (type(error).__name__, error)
    finally:
        connection.close()
    if len(rows) > MAX_ROWS:
        return None, "gives more than %d rows" % MAX_ROWS
    return rows, None


def is_ordered(query):
    """Whether an ORDER BY is outside of all parentheses, texts and comments."""
    quiet = re.sub(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|`[^`]*`|\[[^\]]*\]|--[^\n]*|/\*.*?\*/", " ", query, flags=re.S)
    depth, outside = 0, []
    for character in quiet:
        depth += (character == "(") - (character == ")")
        outside.append(character if depth == 0 else " ")
    return re.search(r"\border\s+by\b", "".join(outside), flags=re.I) is not None


def main():
    given = json.load(sys.stdin)
    if given.get("database") is not None:
        with open("data.sqlite", "wb") as file:
            file.write(base64.b64decode(given["database"]))
    else:
        maker = sqlite3.connect("data.sqlite")
        try:
            maker.executescript(given["script"])
        except sqlite3.Error as error:
            print(json.dumps({"gold": "the database's script: %s" % error, "predicted": None, "is_equal": False}))
            return
        maker.close()
    gold, gold_error = rows_of(given["gold"], given["seconds"])
    predicted, error = rows_of(given["predicted"], given["seconds"]) if gold_error is None else (None, None)
    is_equal = False
    if gold is not None and predicted is not None:
        if is_ordered(given["gold"]):
            is_equal = gold == predicted
        else:
            is_equal = collections.Counter(gold) == collections.Counter(predicted)
    print(json.dumps({"gold": gold_error, "predicted": error, "is_equal": is_equal}))


main()
