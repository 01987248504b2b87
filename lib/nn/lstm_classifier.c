/* lstm_classifier -- layers of LSTM (Hochreiter & Schmidhuber 1997) over a sequence, pooled into a
 * class. Weights and their first values are torch's: nn.LSTM of d_model units a layer, `dropout`
 * between layers; these keep them whatever gpt2_init says of the encoder and the decoder. */
#include "nn/sequence.h"

typedef struct Lstm {
    SequenceOptions sequence;
} Lstm;

static Node *lstm_layer(ModelBuild *b, int i, Node *x, int64_t width)
{
    const Init torch = {.kind = INIT_TORCH_DEFAULT, .fan_in = width};
    const Shape matrix = shape(2, 4 * width, width), vector = shape(1, 4 * width);
    const RecurrentWeights w = {
        .w_ih = model_param(b, model_name(b, "lstm.weight_ih_l%d", i), matrix, ROLE_WEIGHT, torch),
        .w_hh = model_param(b, model_name(b, "lstm.weight_hh_l%d", i), matrix, ROLE_WEIGHT, torch),
        .b_ih = model_param(b, model_name(b, "lstm.bias_ih_l%d", i), vector, ROLE_BIAS, torch),
        .b_hh = model_param(b, model_name(b, "lstm.bias_hh_l%d", i), vector, ROLE_BIAS, torch),
    };
    return lstm(b->graph, x, w, NULL, NULL, false).h;
}

static Node *lstm_build(ModelBuild *b, const void *options, Node *x)
{
    const SequenceOptions *o = options;
    Sequence s = sequence_embed(b, o, x);
    if (s.x->shape.rank != 3) return s.x; /* a mistake is on record */
    for (int i = 0; i < o->n_layers; i++) {
        if (i > 0) s.x = layer_dropout(b, model_name(b, "lstm.%d", i), s.x, o->dropout);
        s.x = lstm_layer(b, i, s.x, o->d_model);
    }
    return sequence_logits(b, o, s);
}

static const Option lstm_options[] = {SEQUENCE_OPTIONS(1, 128, "mean|last"), SEQUENCE_LM_OPTIONS};

const Model model_lstm_classifier = {
    .name = "lstm_classifier",
    .summary = "LSTM layers with a classifier, for sequences",
    .revision = 1,
    .options = OPTION_TABLE(Lstm, lstm_options),
    .build = lstm_build,
    .init = model_common_init,
};
