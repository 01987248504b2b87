/* experiment -- an experiment file made into typed choices, its resolved configuration and its id.
 *
 * The file's shape (README, "An experiment file"): run, name, paper, data, model, methods,
 * optimizer, schedule, train, eval, energy, base, teacher; sweep, table, claims and slurm are kept
 * unread for the commands that use them. Every other key is an error with its place and the nearest
 * known name; all mistakes of a file are reported at once. */
#ifndef SEQLAB_RUN_EXPERIMENT_H
#define SEQLAB_RUN_EXPERIMENT_H

#include "data/dataset.h"
#include "methods/method.h"
#include "nn/model.h"
#include "optim/optimizer.h"
#include "optim/schedule.h"
#include "run/eval_options.h"

enum { EXPERIMENT_MAX_METHODS = 16, EXPERIMENT_ID = 13 /* 12 hex digits and the 0 */ };

typedef enum BestBy { BEST_NONE, BEST_VALID_TOP1, BEST_VALID_LOSS } BestBy;
typedef enum Compute { COMPUTE_F32, COMPUTE_BF16 } Compute;

/* The `train:` block. */
typedef struct TrainOptions {
    Steps steps; /* length of the run */
    int64_t batch_size;
    int64_t
        eval_batch_size; /* 0: batch_size. Changes memory and time, no bit; not part of the id */
    int64_t seed;
    Steps eval_every;       /* the last step is always evaluated; 0: only that */
    Steps checkpoint_every; /* 0: with every evaluation; not part of the id */
    int compute;            /* Compute: what the operands of matrix products are rounded to */
    int best_by; /* BestBy: what the best checkpoint is chosen by; never by test; not part of the id
                  */
} TrainOptions;

/* One named choice with its options, filled from the component's own table. */
typedef struct MethodChoice {
    const Method *method;
    void *options;
} MethodChoice;

typedef struct Experiment Experiment;

/* `base:` (the run whose trained weights are started from) or `teacher:`: another experiment, all
 * of it, with some keys set.
 *
 *   base: pretrain.yaml
 *   base: {file: pretrain.yaml, set: {train.steps: 5ep}, same: [train.seed], checkpoint: best}
 *
 * `same` names keys that take this experiment's own values. A method may have a base of its own:
 * this experiment with some of the method's options set otherwise (Method.predecessor). A `base`
 * may also be a folder as Hugging Face's libraries write it (nn/hf_dir.h): its config.json then
 * gives the model and those of its options that the file does not, and its tensors enter the id by
 * their content. Or an adapter's folder as PEFT writes it (methods/peft/peft_dir.h): then the model
 * is the folder that it names, the adapter's method stands before the file's unless these have one
 * of its family, and its tensors are first values too. */
typedef struct Reference {
    Experiment *experiment; /* NULL: none */
    const char *folder;     /* of Hugging Face, NULL: none; experiment is NULL then */
    const char *adapter;    /* the adapter's folder, whose base is `folder`; or NULL */
    char sha256[HASH_HEX];  /* of the tensors in `folder`, after experiment_references */
    char adapter_sha256[HASH_HEX];
    const char *file;   /* its path, as messages call it */
    bool best;          /* its best checkpoint, not the last */
    const char **words; /* key=value: what set and same say, as for a command line */
    int n_words;
} Reference;

struct Experiment {
    const char *path; /* as the user gave it */
    const char *run;  /* subcommand that the file is for */
    const char *name; /* "quickstart/resnet20": a relative path without . or .. */
    const DatasetKind *dataset;
    void *dataset_options;
    const Model *model;
    void *model_options;
    MethodChoice methods[EXPERIMENT_MAX_METHODS];
    int n_methods;
    const Optimizer *optimizer;
    void *optimizer_options;
    const Schedule *schedule;
    void *schedule_options;
    TrainOptions train;
    EvalOptions eval;
    EnergyOptions energy;     /* not part of the id */
    const char *const *words; /* key=value: what was set beside the file */
    int n_words;
    Yaml *root; /* the composed tree, overrides applied; places intact */
    Reference base, teacher;
    char id[EXPERIMENT_ID];
};

extern const OptionTable train_option_table;

/* The blocks that are option tables of their own and always the same. */
typedef struct ExperimentBlock {
    const char *name;
    const OptionTable *options;
    size_t offset; /* of its struct, in Experiment */
    bool in_id;
    bool always; /* config.yaml has it even where the file does not */
} ExperimentBlock;
extern const ExperimentBlock experiment_blocks[]; /* ends with a NULL name */
extern const OptionTable reference_option_table;  /* base, teacher */

/* What `run:` may be; ends with NULL. */
extern const char *const experiment_runs[];

/* What may stand for a key at the top. */
enum { MAYBE_MAP = 1, MAYBE_LIST = 2, MAYBE_WORD = 4 };

/* The keys at the top of a file; ends with a NULL name. Those that are not `is_read` are kept for
 * the commands that use them. */
typedef struct TopKey {
    const char *name;
    int kinds; /* MAYBE_MAP ...; 0: it is gone once files are composed */
    bool is_read;
    const char *help;
} TopKey;
extern const TopKey experiment_keys[];

/* Loads `path` (experiment file, or a run folder's config.yaml), composes `extends`, applies the
 * command line's words in order, validates; base and teacher are left to experiment_references. All
 * memory is the arena's. */
bool experiment_load(Experiment *e, Arena *a, const char *path, const char *const words[],
                     int n_words, Error *err) MUST_CHECK;
/* The same from a tree that is composed already. */
bool experiment_from_tree(Experiment *e, Arena *a, const char *path, Yaml *root,
                          Error *err) MUST_CHECK;
/* The same from text in memory, without extends: for tests and fuzzing. */
bool experiment_parse(Experiment *e, Arena *a, const char *text, size_t n, Error *err) MUST_CHECK;

/* The text whose SHA-256 is the id: keys that differ from their default, sorted and typed, each
 * component's revision, the numerics' revision and the data's SHA-256. Name, paper, sweep, table,
 * claims and paths stay out. */
char *experiment_canonical(const Experiment *e, Arena *a, const char *data_sha256);
/* Sets e->id (the first 12 hex digits). Those of base and teacher come first (datasets_identify).
 */
void experiment_identify(Experiment *e, Arena *a, const char *data_sha256);

/* The resolved configuration as YAML, every option with its value: config.yaml; loads again to the
 * same id. */
char *experiment_config(const Experiment *e, Arena *a);
/* As experiment_config, each line ending in "# file:line", "# command line" or "# default": for
 * --dry-run. */
char *experiment_config_sources(const Experiment *e, Arena *a);

/* The resolved value of a dotted key, "model.d_model" -> "64", in canonical text; of a key that no
 * component has, what the file says; NULL where there is nothing. */
const char *experiment_value(const Experiment *e, Arena *a, const char *dotted);

/* That every key at the top is known and of a kind that fits. */
bool experiment_check_keys(const Yaml *root, Error *err) MUST_CHECK;
/* When `base:` is a Hugging Face folder, or an adapter's: sets e->base.folder and adapter, and in
 * e->root the model that it is and the adapter's method. */
bool experiment_pretrained(Experiment *e, Arena *a, Error *err) MUST_CHECK;
/* Loads the experiments that `base:` and `teacher:` of e->root name, and those that they name. */
bool experiment_references(Experiment *e, Arena *a, Error *err) MUST_CHECK;

/* The known key most like the last part of a dotted one, for "did you mean"; NULL when there is
 * none, or when it is known. */
const char *experiment_nearest_key(const char *key);

#endif
