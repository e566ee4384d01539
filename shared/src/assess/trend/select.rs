//! Order statistics without a buffer: bisect the value and count how many items are at most it.

/// The `k`-th smallest item, counted from 0, of a multiset given by `at_most(v)` = how many items
/// are <= `v`. All items lie in `low..=high`, and there are more than `k` of them.
pub(super) fn kth(at_most: impl Fn(i64) -> u32, k: u32, low: i64, high: i64) -> i64 {
    let (mut low, mut high) = (low, high);
    // Invariant: the answer lies in low..=high. At most 64 rounds, since the range halves.
    while low < high {
        // The floor of the mean without overflow.
        let middle = low + ((high - low) >> 1);
        if at_most(middle) > k {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    low
}

/// Sum of the two middle items of `count` (an odd count: twice the middle one). `count` > 0.
pub(super) fn two_middle(at_most: impl Fn(i64) -> u32, count: u32, low: i64, high: i64) -> i64 {
    let lower_index = count.saturating_sub(1) / 2;
    let lower = kth(&at_most, lower_index, low, high);
    let upper_index = count / 2;
    let upper =
        if at_most(lower) > upper_index { lower } else { kth(&at_most, upper_index, lower, high) };
    lower + upper
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    #[test]
    fn agrees_with_sorting() {
        for seed in 0..500_u64 {
            let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
            let mut next = move || {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                state
            };
            let n = 1 + (next() % 40) as usize;
            let spread = 1 + next() % 50;
            let items: Vec<i64> = (0..n).map(|_| (next() % spread) as i64 - 20).collect();
            let mut sorted = items.clone();
            sorted.sort_unstable();
            let at_most = |v: i64| items.iter().filter(|x| **x <= v).count() as u32;
            let (low, high) = (sorted[0], sorted[n - 1]);
            for (k, expected) in sorted.iter().enumerate() {
                assert_eq!(kth(at_most, k as u32, low, high), *expected, "seed {seed}");
                assert_eq!(kth(at_most, k as u32, -1 << 40, 1 << 40), *expected);
            }
            let expected = sorted[(n - 1) / 2] + sorted[n / 2];
            assert_eq!(two_middle(at_most, n as u32, low, high), expected, "seed {seed}");
        }
    }
}
