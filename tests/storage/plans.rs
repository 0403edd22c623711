//! How the databases go about reading an inbox: by an index that has the rows in order, whatever is asked for.
//! What takes a moment in a test's table takes minutes in a long one.

use crate::support::both::on_both_stores;
use crate::support::shapes::{fill, plan, shapes};

/// Enough that reading all of it looks dearer than an index, and a page's worth of the rarest kind.
const ROWS: i64 = 10_000;
const OWN: i64 = 5_000;

on_both_stores! {
    fn no_shape_of_query_reads_or_sorts_more_than_it_answers(store) {
        let connection = &mut *store.connection();
        fill(connection, ROWS, OWN).unwrap();
        for shape in shapes(OWN) {
            assert!(shape.run(connection).unwrap() > 2, "{} finds what it looks for", shape.name);
            let plan = plan(connection, &shape).unwrap();
            assert!(plan.iter().any(|line| line.contains("Index") || line.contains("INDEX") || line.contains("PRIMARY KEY")), "{}: {plan:#?}", shape.name);
            for wrong in ["Seq Scan", "Sort", "SCAN ", "TEMP B-TREE"] {
                assert!(plan.iter().all(|line| !line.contains(wrong)), "{}: {plan:#?}", shape.name);
            }
        }
    }
}
