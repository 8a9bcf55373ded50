//! Queries on a small database of our own.

use hone_eval::sql::{Database, SqlOutcome, execute_sql};

use crate::benchmarks::sandbox;

const SHOP: &str = "CREATE TABLE item(name TEXT, price REAL, stock INTEGER);
INSERT INTO item VALUES ('pen', 1.5, 10), ('ink', 4, 3), ('pad', 2.5, 3), ('cap', NULL, 0);";

/// What became of a query beside the gold one.
fn outcome(gold: &str, predicted: &str) -> SqlOutcome {
    execute_sql(&sandbox(), &Database::Script(SHOP.into()), gold, predicted).expect("executed")
}

#[test]
fn rows_are_a_multiset_unless_the_gold_query_orders_them() {
    let check = |gold: &str, predicted: &str, expected: SqlOutcome| {
        assert_eq!(outcome(gold, predicted), expected, "{gold} / {predicted}");
    };
    use SqlOutcome::{Right, Wrong};
    check("SELECT name FROM item", "SELECT name FROM item ORDER BY price DESC;", Right);
    check("SELECT name FROM item ORDER BY price", "SELECT name FROM item ORDER BY price DESC", Wrong);
    check("SELECT name FROM item ORDER BY price", "SELECT name FROM item ORDER BY price ASC", Right);
    // Inside of parentheses or a text it orders nothing.
    let inner = "SELECT stock FROM (SELECT * FROM item ORDER BY name) WHERE name <> 'order by'";
    check(inner, "SELECT stock FROM item ORDER BY stock", Right);
    check("SELECT stock FROM item", "SELECT DISTINCT stock FROM item", Wrong);
    check("SELECT name, stock FROM item", "SELECT stock, name FROM item", Wrong);
    check("SELECT price FROM item WHERE name = 'ink'", "SELECT 4", Right);
    check("SELECT price FROM item WHERE name = 'cap'", "SELECT NULL", Right);
    check("SELECT 4", "SELECT '4'", Wrong);
    check("SELECT name FROM item WHERE stock > 99", "SELECT price FROM item WHERE stock > 99", Right);
}

#[test]
fn a_query_reads_and_does_nothing_else() {
    let failed = |predicted: &str| match outcome("SELECT count(*) FROM item", predicted) {
        SqlOutcome::Failed(why) => why,
        other => panic!("{predicted}: {other:?}"),
    };
    for predicted in [
        "DELETE FROM item",
        "DROP TABLE item",
        "ATTACH 'other.sqlite' AS other",
        "PRAGMA table_info(item)",
        "SELECT load_extension('x')",
        "CREATE TABLE more(x)",
    ] {
        let why = failed(predicted);
        assert!(why.contains("not authorized") || why.contains("prohibited"), "{predicted}: {why}");
    }
    assert!(failed("SELECT absent FROM item").contains("no such column"));
    assert!(failed("SELECT 4; SELECT 4").contains("one statement"));
    assert!(failed("").contains("expected a query that gives rows"));
    match outcome("SELECT absent FROM item", "SELECT 1") {
        SqlOutcome::GoldFailed(why) => assert!(why.contains("no such column"), "{why}"),
        other => panic!("{other:?}"),
    }
    let broken = Database::Script("CREATE TABL x".into());
    let found = execute_sql(&sandbox(), &broken, "SELECT 1", "SELECT 1").expect("executed");
    assert!(matches!(&found, SqlOutcome::GoldFailed(why) if why.contains("script")), "{found:?}");
    let no_database = Database::File(b"SQLite format 3\0 but not really".to_vec());
    let found = execute_sql(&sandbox(), &no_database, "SELECT name FROM item", "SELECT 1").expect("executed");
    assert!(matches!(found, SqlOutcome::GoldFailed(_)), "{found:?}");
}

#[test]
fn an_endless_query_ends() {
    let endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";
    match outcome("SELECT 1", endless) {
        SqlOutcome::Failed(why) => assert!(why.contains("of CPU time") || why == "timeout", "{why}"),
        other => panic!("{other:?}"),
    }
}
