/* profile -- where the time of a training run goes: its parts, and the kernels of its steps beside
 * what the machine could do at best (bench/limits.h).
 *
 * A profile reads clocks only: the run's bits and id are those of a run without. It also keeps when
 * everything happened in the first few steps, and when the run was evaluated and
 * checkpointed, for a trace that chrome://tracing, Perfetto and speedscope show. Every function but
 * profile_new takes NULL for "no profile" and does nothing then. During the steps nothing is
 * allocated. */
#ifndef SEQLAB_RUN_PROFILE_H
#define SEQLAB_RUN_PROFILE_H

#include "bench/limits.h"
#include "graph/plan.h"
#include "optim/optimizer.h"

typedef enum ProfilePart {
    PROFILE_FORWARD,  /* kernels up to the loss */
    PROFILE_BACKWARD, /* those after it */
    PROFILE_LOADER,   /* waiting for the next batch */
    PROFILE_OPTIMIZER,
    PROFILE_METHODS,    /* the methods' after_step hooks */
    PROFILE_EVALUATION, /* with its metrics and, where due, the best checkpoint */
    PROFILE_CHECKPOINT,
    PROFILE_REST, /* of the steps: binding, counting hits, reporting */
    N_PROFILE_PARTS
} ProfilePart;
extern const char *const profile_part_name[N_PROFILE_PARTS];

/* One kernel of the training plan, the optimizer's update, or several of one name together. */
typedef struct ProfileKernel {
    const char *name; /* of the op, "map", or the optimizer */
    const char *text; /* what it computes; NULL for several together */
    ProfilePart part;
    int64_t calls;
    double seconds;
    double flops, bytes; /* of all calls; FLOPs of an optimizer are not counted: 0 */
    double limit_s;      /* in which the machine could do the same; of profile_limits */
} ProfileKernel;

/* Something that happened: a kernel (index into kernels) or a whole part (kernel -1). */
typedef struct ProfileEvent {
    ProfilePart part;
    int kernel;
    int64_t step; /* counted from this process's first */
    double start_s, end_s;
} ProfileEvent;

typedef struct Profile {
    Arena *arena;
    Limits limits;
    int64_t n_steps;
    double start_s, total_s;        /* from the first step's start to the last one's end */
    double part_s[N_PROFILE_PARTS]; /* they add up to total_s */
    ProfileKernel *kernels;         /* in the order in which they run; the optimizer is last */
    int n_kernels;
    ProfileEvent *events;
    int n_events, max_events; /* past the last no more are kept */
    const Plan *plan;         /* between start and stop */
} Profile;

/* All memory is the arena's. */
Profile *profile_new(Arena *arena);

/* -- For the trainer */

/* Before the first step: the training plan, and the node that ends the forward pass. */
void profile_start(Profile *p, Plan *plan, const Node *loss);
/* Around a part: begin gives the time that end takes. */
double profile_begin(const Profile *p);
void profile_end(Profile *p, ProfilePart part, double begin_s);
/* After each plan_run: one more step. */
void profile_kernels(Profile *p);
/* After the last step; the plan may be freed then. */
void profile_stop(Profile *p, const OptimizerState *optimizer);
/* Writes FOLDER/trace.json when a step was made. */
bool profile_write_trace(const Profile *p, const char *folder, Error *err) MUST_CHECK;

/* -- For who shows it */

/* Measures the machine in a fraction of a second and fills every limit_s. */
bool profile_limits(Profile *p, Error *err) MUST_CHECK;
/* The kernels, or (by_name) their sums by name, longest first. The arena's. */
ProfileKernel *profile_sorted(const Profile *p, bool by_name, int *n);

#endif
