/* eval_options -- see eval_options.h. */
#include "run/eval_options.h"

#include "data/corrupt.h"

// clang-format off
static const Option eval_rows[] = {
    OPT_SET(EvalOptions, corruptions, &corruption_choices[1], "",
            "corruptions of the test images, each at all severities; saturate is for colours only"),
    OPT_INTS(EvalOptions, severities, "1,2,3,4,5", 1, 5, "how strongly they are corrupted"),
    OPT_INTS(EvalOptions, fgsm_eps, "", 1, 255, "attacks by one step of the gradient's sign, of so many 255ths of the pixels' range; at most 6"),
    OPT_INTS(EvalOptions, pgd_eps, "", 1, 255, "attacks by projected gradient descent within so many 255ths of the pixels' range; at most 6"),
    OPT_INT(EvalOptions, pgd_steps, 10, 1, 1000, "steps of PGD"),
    OPT_REAL(EvalOptions, pgd_step, 0, 0, 255, "length of PGD's steps in 255ths; 0: 2.5 eps / pgd_steps, as Madry et al. have it"),
    OPT_BOOL(EvalOptions, pgd_random_start, true, "PGD starts at a random point within eps"),
    OPT_STRING(EvalOptions, ood, "", "a set of images of the same size that are none of the classes, such as mnist: how well they are told apart"),
    OPT_INT(EvalOptions, examples, 1000, 0, 1000000000, "of each set, the first so many examples; 0: all"),
    OPT_INT(EvalOptions, seed, 0, 0, 9007199254740991, "of the corruptions and of random starts; not train.seed, so that all runs see the same images"),
};
const OptionTable eval_option_table = OPTION_TABLE(EvalOptions, eval_rows);

static const Option energy_rows[] = {
    OPT_REAL(EnergyOptions, core_power_w, 10, 0, 1000, "watts of a busy core, where RAPL cannot be read: energy is taken as CPU seconds times this"),
    OPT_REAL(EnergyOptions, carbon_g_per_kwh, 475, 0, 5000, "grams of CO2 equivalent for a kilowatt-hour; 475 is IEA's world average for 2018, and grids go from 20 to 900"),
};
const OptionTable energy_option_table = OPTION_TABLE(EnergyOptions, energy_rows);
// clang-format on

bool eval_asks(const EvalOptions *o)
{
    return (o->corruptions && o->severities.n > 0) || o->fgsm_eps.n > 0 || o->pgd_eps.n > 0 ||
           o->ood;
}

void eval_ask_standard(EvalOptions *o)
{
    o->corruptions = (1U << N_CORRUPTIONS) - 1;
    o->severities = (IntList){
        5, {1, 2, 3, 4, 5}
    };
    o->fgsm_eps = (IntList){
        4, {1, 2, 4, 8}
    };
    o->pgd_eps = (IntList){
        2, {2, 8}
    };
}
