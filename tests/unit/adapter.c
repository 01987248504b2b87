/* adapter -- what adapters have in common: which parts of a network they train, in real
 * transformers, and how they get on with optimizers and with pruning. */
#include "tests/adapted.h"
#include "tests/case.h"
#include "tests/hf.h"
#include "tests/model.h"
#include "tests/test.h"

#include "methods/prune/mask.h"
#include "optim/optimizer.h"

#include <math.h>
#include <string.h>

/* -- Transformers of tests/golden/hf */

typedef struct Tuned {
    TestHf m;
    MethodCall call;
} Tuned;

static const Task CLASSES = {0};
static const Task LANGUAGE = {.per_step = true, .causal = true};

/* With the folder's weights, and run on its input. `at` is where it lives: hooks keep its address.
 */
static void tuned(Tuned *at, const char *folder, Task task, const char *method, const char *options)
{
    Error err = {0};
    at->m = test_hf_config(folder, strcmp(folder, "bert") == 0 ? "{sep_token_id: 2}" : "{}");
    for (int i = 1; i < at->m.input->rank; i++)
        task.sample.dim[task.sample.rank++] = at->m.input->dim[i];
    task.dtype = at->m.input->dtype == ST_I32 ? I32 : F32;
    task.n_classes = (int)at->m.expected->dim[at->m.expected->rank - 1];
    at->call = (MethodCall){.method = method_find(method),
                            .like = &at->m.build,
                            .total_steps = 12,
                            .steps_per_epoch = 4};
    assert_non_null(at->call.method);
    at->call.options = test_options(at->m.arena, &at->call.method->options, options);
    at->m.build.task = task;
    adapted_hook(&at->m.build, &at->call);
    test_hf_run(&at->m, test_hf_folder(folder));
    at->call.method->buffers(&at->call, at->m.build.graph);
    ASSERT_OK(graph_ok(at->m.build.graph, &err), &err);
    if (at->call.method->transform) ASSERT_OK(at->call.method->transform(&at->call, &err), &err);
    plan_run(at->m.plan, 0);
}

static const Param *find(const Tuned *k, const char *name)
{
    return params_find(k->m.build.params, name);
}

static bool trains(const Tuned *k, const char *name)
{
    const Param *p = find(k, name);
    if (!p) print_error("no parameter '%s'\n", name);
    assert_non_null(p);
    return p->trainable;
}

/* The tolerance is that of the golden tests of these models. */
static void first_logits_are_the_librarys(const char *method, const char *options)
{
    static const char *const folder[] = {"gpt2", "llama", "bert", "vit"};
    for (int i = 0; i < 4; i++) {
        Tuned k;
        tuned(&k, folder[i], i < 2 ? LANGUAGE : CLASSES, method, options);
        for (int64_t j = 0; j < k.m.expected->n; j++)
            assert_true(fabsf(k.m.logits[j] - k.m.expected_logits[j]) < 1e-4F);
        test_hf_free(&k.m);
    }
}

TEST(adapter, lora_and_dora_start_from_the_librarys_logits)
{
    first_logits_are_the_librarys("lora", "{rank: 2}");
    first_logits_are_the_librarys("lora", "{rank: 2, dora: true}");
}

TEST(adapter, adalora_starts_from_the_librarys_logits)
{
    first_logits_are_the_librarys("adalora", "{rank: 2, target_rank: 1}");
}

TEST(adapter, bone_starts_from_the_librarys_logits)
{
    first_logits_are_the_librarys("bone", "{rank: 2}");
    first_logits_are_the_librarys("bone", "{rank: 2, form: bat}");
}

/* PEFT's modules_to_save of TaskType.SEQ_CLS: classifier and score, without the pooler. */
TEST(adapter, heads_of_classes_are_trained_in_full)
{
    static const char *const method[] = {"lora", "adalora", "bone", "bitfit"};
    for (int i = 0; i < 4; i++) {
        Tuned k;
        tuned(&k, "bert", CLASSES, method[i], "{}");
        assert_true(trains(&k, "classifier.weight") && trains(&k, "classifier.bias"));
        assert_false(trains(&k, "bert.pooler.dense.weight"));
        assert_false(trains(&k, "bert.embeddings.word_embeddings.weight"));
        assert_null(find(&k, "classifier.lora_A.weight"));
        test_hf_free(&k.m);
        tuned(&k, "llama_class", CLASSES, method[i], "{}");
        assert_true(trains(&k, "score.weight"));
        test_hf_free(&k.m);
    }
}

TEST(adapter, the_head_of_a_language_model_is_neither_trained_nor_adapted)
{
    Tuned k;
    tuned(&k, "llama", LANGUAGE, "lora", "{rank: 2}");
    assert_false(trains(&k, "lm_head.weight"));
    assert_null(find(&k, "lm_head.lora_A.weight"));
    test_hf_free(&k.m);
}

TEST(adapter, a_head_that_targets_name_is_adapted)
{
    Tuned k;
    tuned(&k, "bert", CLASSES, "lora", "{rank: 2, targets: [query, classifier]}");
    assert_false(trains(&k, "classifier.weight"));
    assert_true(trains(&k, "classifier.lora_A.weight"));
    assert_true(trains(&k, "bert.encoder.layer.0.attention.self.query.lora_B.weight"));
    assert_null(find(&k, "bert.encoder.layer.0.attention.self.key.lora_A.weight"));
    test_hf_free(&k.m);
}

TEST(adapter, train_names_modules_that_are_trained_and_not_adapted)
{
    Tuned k;
    tuned(&k, "bert", CLASSES, "lora", "{rank: 2, train: [pooler, layer.0.intermediate]}");
    assert_true(trains(&k, "bert.pooler.dense.weight") && trains(&k, "bert.pooler.dense.bias"));
    assert_true(trains(&k, "bert.encoder.layer.0.intermediate.dense.weight"));
    assert_null(find(&k, "bert.encoder.layer.0.intermediate.dense.lora_A.weight"));
    assert_false(trains(&k, "bert.encoder.layer.1.intermediate.dense.weight"));
    assert_non_null(find(&k, "bert.encoder.layer.1.intermediate.dense.lora_A.weight"));
    test_hf_free(&k.m);
}

/* (in, out) in the file: c_attn is (16, 48). */
TEST(adapter, blocks_of_turned_weights_are_as_wide_as_the_outputs)
{
    Tuned k;
    tuned(&k, "gpt2", LANGUAGE, "bone", "{rank: 4}");
    const Param *d = find(&k, "transformer.h.0.attn.c_attn.miss_block");
    assert_non_null(d);
    assert_true(d->shape.rank == 2 && d->shape.dim[0] == 4 && d->shape.dim[1] == 48);
    test_hf_free(&k.m);
    tuned(&k, "gpt2", LANGUAGE, "bone", "{rank: 4, form: bat}");
    d = find(&k, "transformer.h.0.attn.c_attn.miss_block");
    assert_true(d->shape.rank == 3 && d->shape.dim[0] == 12 && d->shape.dim[1] == 4);
    test_hf_free(&k.m);
}

/* -- bitfit and freeze */

TEST(bitfit, trains_every_bias_and_nothing_else)
{
    Tuned k;
    tuned(&k, "bert", CLASSES, "bitfit", "{}");
    for (const Param *p = k.m.build.params->first; p; p = p->next) {
        const bool bias = strcmp(p->name + strlen(p->name) - 5, ".bias") == 0;
        assert_int_equal(p->trainable, bias || strncmp(p->name, "classifier.", 11) == 0);
    }
    assert_true(trains(&k, "bert.embeddings.LayerNorm.bias"));
    test_hf_free(&k.m);
}

TEST(bitfit, norms_and_targets_say_more)
{
    Tuned k;
    tuned(&k, "bert", CLASSES, "bitfit", "{norms: true, targets: [query, intermediate]}");
    assert_true(trains(&k, "bert.encoder.layer.1.output.LayerNorm.weight"));
    assert_true(trains(&k, "bert.encoder.layer.1.attention.self.query.bias"));
    assert_true(trains(&k, "bert.encoder.layer.1.intermediate.dense.bias"));
    assert_false(trains(&k, "bert.encoder.layer.1.attention.self.key.bias"));
    assert_false(trains(&k, "bert.encoder.layer.1.output.dense.bias"));
    test_hf_free(&k.m);
}

TEST(freeze, keeps_what_is_named)
{
    Tuned k;
    tuned(&k, "bert", CLASSES, "freeze", "{targets: [embeddings, layer.0]}");
    assert_false(trains(&k, "bert.embeddings.word_embeddings.weight"));
    assert_false(trains(&k, "bert.embeddings.LayerNorm.bias"));
    assert_false(trains(&k, "bert.encoder.layer.0.output.dense.weight"));
    assert_true(trains(&k, "bert.encoder.layer.1.output.dense.weight"));
    assert_true(trains(&k, "bert.pooler.dense.weight"));
    test_hf_free(&k.m);
}

/* -- Mistakes */

TEST(adapter, names_that_the_model_does_not_have_are_mistakes)
{
    static const struct {
        const char *method, *options, *text;
    } row[] = {
        {"lora",   "{targets: k_proj}",  "method 'lora': targets: no linear layer is named 'k_proj'"   },
        {"bone",   "{train: pooler}",    "method 'bone': train: nothing in the model is named 'pooler'"},
        {"lora",   "{train: fc}",        "method 'lora': the model has no linear layer to adapt"       },
        {"bitfit", "{}",                 "method 'bitfit': the model has no bias to train"             },
        {"bitfit", "{targets: query}",   "method 'bitfit': targets: nothing in the model is named"     },
        {"freeze", "{targets: fc.bias}", "method 'freeze': targets: nothing in the model is named"     },
        {"freeze", "{targets: fc}",      "method 'freeze': nothing is left to train"                   },
    };
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        Error err = {0};
        Adapted k;
        adapted_build(&k, row[i].method, row[i].options, 4, 6, false);
        ASSERT_FAILS(graph_ok(k.build.graph, &err), &err, FAIL_CONFIG, row[i].text);
        adapted_free(&k);
    }
}

/* -- Networks of experiments */

static void start(Case *c, const char *methods)
{
    char text[1024];
    (void)snprintf(text, sizeof text,
                   "name: a/b\n"
                   "data: {name: shapes, size: 8, n_train: 20, n_test: 10}\n"
                   "model: {name: mlp, hidden: [12, 8]}\n"
                   "optimizer: {name: adamw, lr: 0.01, weight_decay: 0.5, decay_on: weights}\n"
                   "train: {steps: 8, batch_size: 4}\nmethods: [%s]\n",
                   methods);
    case_load(c, text);
    const NetworkOptions o = {.task = c->data.task,
                              .train = true,
                              .eval = true,
                              .allocate = true,
                              .total_steps = 8,
                              .steps_per_epoch = 5,
                              .data = &c->data};
    ASSERT_OK(network_new(&c->network, &c->experiment, &o, c->arena, &c->err), &c->err);
    ASSERT_OK(network_init(&c->network, NULL, "", &c->err), &c->err);
}

static const Param *named(const Case *c, const char *name)
{
    const Param *p = params_find(c->network.params, name);
    if (!p) print_error("no parameter '%s'\n", name);
    assert_non_null(p);
    return p;
}

TEST(adapter, leaves_the_first_values_of_the_model_as_they_are)
{
    Case plain, with;
    start(&plain, "");
    start(&with, "{name: lora, rank: 2}");
    for (const Param *p = plain.network.params->first; p; p = p->next)
        assert_memory_equal(p->data, named(&with, p->name)->data, sizeof(float) * (size_t)p->n);
    case_free(&plain);
    case_free(&with);
}

/* The masks are those that a network without adapters gets, in either order. */
static void prunes_the_same(const char *prune, const char *methods)
{
    Case plain, with;
    start(&plain, prune);
    start(&with, methods);
    int n_masks = 0;
    for (const Param *p = with.network.params->first; p; p = p->next) {
        if (!strstr(p->name, "_mask")) continue;
        n_masks++;
        assert_null(strstr(p->name, "lora"));
        assert_memory_equal(p->data, named(&plain, p->name)->data, sizeof(float) * (size_t)p->n);
    }
    assert_int_equal(n_masks, 3);
    case_free(&plain);
    case_free(&with);
}

TEST(adapter, pruning_takes_frozen_weights_and_never_its_factors)
{
    prunes_the_same("{name: prune, density: 0.2}",
                    "{name: prune, density: 0.2}, {name: lora, rank: 2}");
    prunes_the_same("{name: prune, density: 0.2}",
                    "{name: lora, rank: 2}, {name: prune, density: 0.2}");
    prunes_the_same("{name: magnitude_mask, sparsity: 0.7}",
                    "{name: magnitude_mask, sparsity: 0.7}, {name: bone, rank: 2}");
}

/* One update of Adam from first moments of zero moves every element with a gradient by lr. */
static void one_step(Case *c)
{
    OptimizerState o;
    Pass *pass = &c->network.train;
    float x[4 * 8 * 8 * 3];
    static const int32_t label[] = {0, 1, 2, 3};
    assert_true(shape_count(&pass->x->shape) <= (int64_t)(sizeof x / sizeof x[0]));
    for (int64_t i = 0; i < shape_count(&pass->x->shape); i++) x[i] = test_number("x", i);
    ASSERT_OK(optimizer_start(&o, c->experiment.optimizer, c->experiment.optimizer_options,
                              c->network.params, c->arena, &c->err),
              &c->err);
    plan_bind(pass->plan, pass->x, x);
    plan_bind(pass->plan, pass->label, label);
    plan_run(pass->plan, 0);
    assert_true(optimizer_step(&o, 0.01, NULL));
    optimizer_free(&o);
}

static void moved_by(const Param *p, float step)
{
    int64_t n = 0;
    for (int64_t i = 0; i < p->n; i++) {
        if (fabsf(p->grad[i]) < 1e-5F) continue; /* Adam's eps is 1e-8 */
        n++;
        assert_true(fabsf(p->data[i] + (p->grad[i] > 0 ? step : -step)) <= 2e-3F * step);
    }
    assert_true(n > 0);
}

TEST(adapter, the_learning_rate_of_b_is_multiplied)
{
    Case c;
    start(&c, "{name: lora, rank: 2, lr_ratio: 16, bias: all}");
    assert_true(named(&c, "fc.bias")->lr_multiplier == 16);
    one_step(&c);
    moved_by(named(&c, "fc.lora_B.weight"), 0.16F);
    case_free(&c);
}

TEST(adapter, the_first_step_of_a_bone_is_the_learning_rate)
{
    Case c;
    start(&c, "{name: bone, rank: 4}");
    one_step(&c);
    moved_by(named(&c, "fc.miss_block"), 0.01F);
    case_free(&c);
}

/* Decay is lr 0.01 times 0.5 of the value: of factors, which are weights, and not of lengths. */
TEST(adapter, factors_decay_and_magnitudes_do_not)
{
    Case c;
    start(&c, "{name: lora, rank: 2, dora: true}");
    const Param *a = named(&c, "fc.lora_A.weight"), *m = named(&c, "fc.lora_magnitude_vector");
    const float a0 = a->data[0], m0 = m->data[0];
    one_step(&c);
    /* B is 0, so that A has no gradient yet. */
    assert_true(fabsf(a->data[0] - a0 * 0.995F) <= 1e-6F);
    assert_true(fabsf(fabsf(m->data[0] - m0) - 0.01F) <= 2e-5F);
    case_free(&c);
}

/* |w m|, so that the masked network is what training starts from. */
TEST(adapter, magnitudes_start_as_the_norms_of_masked_weights)
{
    Case c;
    start(&c, "{name: magnitude_mask, sparsity: 0.7}, {name: lora, rank: 2, dora: true}");
    const Param *w = named(&c, "fc.weight"), *mask = named(&c, "fc.weight_mask"),
                *m = named(&c, "fc.lora_magnitude_vector");
    const int64_t in = w->n / m->n;
    for (int64_t o = 0; o < m->n; o++) {
        double squares = 0;
        for (int64_t i = o * in; i < (o + 1) * in; i++)
            squares += (double)w->data[i] * (double)w->data[i] * (double)mask->data[i];
        assert_true(fabs((double)m->data[o] - sqrt(squares)) <= 1e-6);
    }
    case_free(&c);
}
