SELECT number AS round,
    json_extract(timings, '$.text_health.paths')::DOUBLE AS paths,
    json_extract(timings, '$.text_health.distinct_1')::DOUBLE AS distinct_1,
    json_extract(timings, '$.text_health.distinct_2')::DOUBLE AS distinct_2,
    json_extract(timings, '$.text_health.mean_tokens')::DOUBLE AS mean_tokens,
    json_extract(timings, '$.text_health.near_duplicate_rate')::DOUBLE AS near_duplicate_rate,
    json_extract(timings, '$.text_health.exact_duplicate_rate')::DOUBLE AS exact_duplicate_rate,
    json_extract(timings, '$.text_health.pass_at_1')::DOUBLE AS pass_at_1,
    json_extract(timings, '$.text_health.pass_at_k')::DOUBLE AS pass_at_k,
    json_extract(timings, '$.text_health.k')::DOUBLE AS k,
    json_extract(timings, '$.text_health.guideline_entropy')::DOUBLE AS guideline_entropy,
    json_extract(timings, '$.text_health.hinted_share')::DOUBLE AS hinted_share
FROM rounds
WHERE line = $line AND number <= $number AND json_extract(timings, '$.text_health') IS NOT NULL
ORDER BY round
