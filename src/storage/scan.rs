//! Looking through rows in order for those that fit, where no index has them together: a bounded way at a time. A
//! page may therefore have few items, or none, and yet say where to go on.

use super::error::StorageError;

/// How many rows are looked at for one page, and how many are read at once.
const ROWS_MAX: usize = 20_000;
const CHUNK: usize = 2_000;

/// What was found on the way.
#[derive(Debug)]
pub(super) struct Found<P, T> {
    /// At most one more than was wanted, which tells that there are more.
    pub(super) items: Vec<(P, T)>,
    /// Where the way ended, where neither the rows nor the wish did.
    pub(super) stopped_at: Option<P>,
}

/// Reads rows beyond a place, so many of them, by `read` until `wanted` of them fit, one more to tell that there are
/// more, or the rows end. `all_fit` says that nothing is to be looked through.
pub(super) fn look_through<P: Clone, T>(
    after: Option<P>,
    wanted: usize,
    all_fit: bool,
    mut read: impl FnMut(Option<&P>, usize) -> Result<Vec<(P, T)>, StorageError>,
    mut fitting: impl FnMut(Vec<(P, T)>) -> Result<Vec<(P, T)>, StorageError>,
) -> Result<Found<P, T>, StorageError> {
    let mut chunk = if all_fit { wanted + 1 } else { (2 * wanted + 1).min(CHUNK) };
    let (mut place, mut items, mut seen) = (after, Vec::new(), 0);
    loop {
        let rows = read(place.as_ref(), chunk)?;
        let count = rows.len();
        seen += count;
        place = rows.last().map(|(place, _)| place.clone()).or(place);
        items.extend(fitting(rows)?);
        if items.len() > wanted {
            items.truncate(wanted + 1);
            return Ok(Found { items, stopped_at: None });
        }
        if count < chunk {
            return Ok(Found { items, stopped_at: None });
        }
        if seen >= ROWS_MAX {
            return Ok(Found { items, stopped_at: place });
        }
        // What is seldom is looked for in larger strides.
        chunk = CHUNK.min(chunk * 4).min(ROWS_MAX - seen);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(after: Option<usize>, wanted: usize, rows: usize, every: usize) -> (Found<usize, ()>, usize) {
        let mut read = 0;
        let found = look_through(
            after,
            wanted,
            every == 1,
            |after, count| {
                read += count;
                let first = after.map_or(0, |after| after + 1);
                Ok((first..rows).take(count).map(|row| (row, ())).collect())
            },
            |rows| Ok(rows.into_iter().filter(|(row, ())| row % every == 0).collect()),
        );
        (found.unwrap(), read)
    }

    fn places(found: &Found<usize, ()>) -> Vec<usize> {
        found.items.iter().map(|(place, ())| *place).collect()
    }

    #[test]
    fn one_more_than_is_wanted_is_found_and_nothing_beyond_it_is_read() {
        let (found, read) = look(None, 3, 1_000_000, 1);
        assert_eq!((places(&found), found.stopped_at, read), (vec![0, 1, 2, 3], None, 4));
        let (found, _) = look(Some(999_998), 3, 1_000_000, 1);
        assert_eq!((places(&found), found.stopped_at), (vec![999_999], None));
    }

    #[test]
    fn what_is_rare_is_looked_for_a_bounded_way_at_a_time_and_found() {
        let (mut place, mut all, mut pages) = (None, Vec::new(), 0);
        loop {
            let (found, read) = look(place, 5, 100_000, 30_000);
            assert!(read <= ROWS_MAX);
            all.extend(places(&found));
            pages += 1;
            place = found.stopped_at;
            if place.is_none() {
                break;
            }
        }
        assert_eq!((all, pages), (vec![0, 30_000, 60_000, 90_000], 6));
    }
}
