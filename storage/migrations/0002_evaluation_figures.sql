-- Lengths, endings, pass@k and maj@k of an evaluation with their intervals, and what another harness found.

CREATE TABLE evaluation_figures (
    id UUID NOT NULL,
    evaluation_id UUID NOT NULL,
    round_id UUID,
    source VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    reading VARCHAR NOT NULL,
    k BIGINT NOT NULL,
    questions BIGINT NOT NULL,
    value DOUBLE NOT NULL,
    low DOUBLE NOT NULL,
    high DOUBLE NOT NULL,
    created_at TIMESTAMP NOT NULL
);
