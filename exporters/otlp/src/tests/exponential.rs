//! Whether each value lies in the bucket that counts it, and no more buckets are merged than must be.

use crate::exponential::Exponential;

const MOST: usize = 160;

/// The bounds of a bucket.
fn bounds(buckets: &Exponential, position: usize) -> (f64, f64) {
    let bound = |index: i32| (f64::from(index) * f64::from(-buckets.scale).exp2()).exp2();
    let index = buckets.offset + i32::try_from(position).unwrap();
    (bound(index), bound(index + 1))
}

fn count(values: &[f64]) -> Exponential {
    let mut buckets = Exponential::new();
    for &value in values {
        buckets.add(value, 1);
    }
    buckets
}

/// How many values lie in each bucket, counted one by one. Rounding may put a value on a bound to either side of it.
fn check(values: &[f64]) {
    const ROUNDING: f64 = 1e-9;
    let buckets = count(values);
    assert!(buckets.counts.len() <= MOST, "{buckets:?}");
    let counted = buckets.zeros + buckets.counts.iter().sum::<u64>();
    assert_eq!(counted, values.len() as u64, "{values:?}");
    for (position, &count) in buckets.counts.iter().enumerate() {
        let (low, high) = bounds(&buckets, position);
        let within = |slack: f64| {
            let (low, high) = (low * (1.0 - slack), high * (1.0 + slack));
            values.iter().filter(|&&value| value > low && value <= high).count() as u64
        };
        assert!((within(-ROUNDING)..=within(ROUNDING)).contains(&count), "bucket {position} of {buckets:?}");
    }
    let mut positive: Vec<_> = values.iter().copied().filter(|&value| value > 0.0).collect();
    positive.sort_by(f64::total_cmp);
    if let (Some(low), Some(high)) = (positive.first(), positive.last()) {
        assert!(
            *buckets.counts.first().unwrap() > 0 && *buckets.counts.last().unwrap() > 0,
            "none is empty at an end"
        );
        // One step finer, the values would lie too far apart, give or take what the ends leave of their buckets.
        let apart = (high.log2() - low.log2()) * f64::from(buckets.scale + 1).exp2();
        assert!(buckets.scale == 20 || apart > 158.0, "{apart} at {}", buckets.scale);
    }
}

#[test]
fn each_value_is_counted_in_its_bucket_and_the_buckets_are_as_fine_as_they_can_be() {
    check(&[]);
    check(&[0.0, 0.0]);
    check(&[1.0]);
    check(&[0.02, 0.0, 0.020_000_1]);
    check(&[f64::MIN_POSITIVE, f64::MAX, 1.0]);
    check(&[f64::from_bits(1), f64::MAX]);
    // The same values in three orders: each must be reached from both ends.
    let mut values: Vec<_> = (1..2000).map(|n| f64::from(n * n) * 0.001).collect();
    check(&values);
    values.reverse();
    check(&values);
    let mut seed = 7_u64;
    values.sort_by_cached_key(|value| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(value.to_bits());
        seed >> 32
    });
    check(&values);
}

#[test]
fn powers_of_two_belong_to_the_bucket_below_them() {
    let values: Vec<_> = (-300..300).map(|n| f64::from(n).exp2()).collect();
    let buckets = count(&values);
    assert_eq!(buckets.scale, -2, "600 powers in 160 buckets");
    // 2^-300 alone ends its bucket: the next begins above it.
    assert_eq!((buckets.offset, buckets.counts[0], buckets.counts[1]), (-76, 1, 4));
    let mut many = Exponential::new();
    many.add(4.0, 3);
    many.add(1.0, 2);
    let counts: Vec<_> = many.counts.iter().copied().filter(|&count| count > 0).collect();
    assert_eq!((many.scale, counts), (6, vec![2, 3]));
}

#[test]
fn there_are_160_buckets_and_not_one_more() {
    let powers = |most: i32| count(&(0..most).map(|n| f64::from(n).exp2()).collect::<Vec<_>>());
    let full = powers(160);
    assert_eq!((full.scale, full.offset, full.counts), (0, -1, vec![1; MOST]));
    let merged = powers(161);
    assert_eq!((merged.scale, merged.counts.len()), (-1, 81));
}
