-- Comparisons of methods at a matched budget: their pools of paths, trials and figures. And the draw of a training
-- example's path, by which what is asked of a training set skips all other paths.

ALTER TABLE training_examples ADD COLUMN draw BIGINT;
UPDATE training_examples SET draw = paths.draw FROM paths WHERE paths.id = training_examples.path_id;

CREATE TABLE comparisons (
    id UUID NOT NULL,
    name VARCHAR NOT NULL,
    base_model_id UUID NOT NULL,
    settings VARCHAR NOT NULL,
    status VARCHAR NOT NULL,
    timings VARCHAR NOT NULL,
    started_at TIMESTAMP NOT NULL,
    finished_at TIMESTAMP
);

CREATE TABLE pools (
    id UUID NOT NULL,
    draw BIGINT NOT NULL,
    model_id UUID NOT NULL,
    strategy VARCHAR NOT NULL,
    settings VARCHAR NOT NULL,
    questions BIGINT NOT NULL,
    solved BIGINT NOT NULL,
    paths BIGINT NOT NULL,
    correct BIGINT NOT NULL,
    hinted_paths BIGINT NOT NULL,
    hinted_correct BIGINT NOT NULL,
    tokens BIGINT NOT NULL,
    health VARCHAR NOT NULL,
    created_at TIMESTAMP NOT NULL
);

CREATE TABLE trials (
    id UUID NOT NULL,
    comparison_id UUID NOT NULL,
    method VARCHAR NOT NULL,
    seed BIGINT NOT NULL,
    iteration BIGINT NOT NULL,
    iterations BIGINT NOT NULL,
    learning_rate DOUBLE NOT NULL,
    pool_id UUID,
    training_set_id UUID,
    adapter_id UUID,
    model_id UUID NOT NULL,
    prompt_id UUID NOT NULL,
    candidates BIGINT NOT NULL,
    filtered BIGINT NOT NULL,
    examples BIGINT NOT NULL,
    hinted_examples BIGINT NOT NULL,
    questions BIGINT NOT NULL,
    paths_spent BIGINT NOT NULL,
    tokens_spent BIGINT NOT NULL,
    distinct_2 DOUBLE NOT NULL,
    created_at TIMESTAMP NOT NULL
);

CREATE TABLE comparison_figures (
    id UUID NOT NULL,
    comparison_id UUID NOT NULL,
    name VARCHAR NOT NULL,
    rates VARCHAR NOT NULL,
    reading VARCHAR NOT NULL,
    scope VARCHAR NOT NULL,
    method VARCHAR NOT NULL,
    against VARCHAR NOT NULL,
    iteration BIGINT NOT NULL,
    seeds BIGINT NOT NULL,
    questions BIGINT NOT NULL,
    value DOUBLE NOT NULL,
    low DOUBLE NOT NULL,
    high DOUBLE NOT NULL,
    p_value DOUBLE,
    p_adjusted DOUBLE,
    created_at TIMESTAMP NOT NULL
);
