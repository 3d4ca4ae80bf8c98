#pragma once
// The default policy of a generation: how far its walks go for a wanted recall. Real data sets differ by a factor of two
// in work at equal recall, so a build asks its own rows, or queries where it has some.

#include "index/default_policy.h"
#include "index/recall_questions.h"

namespace nestor::index {

// Searches by ever wider gaps, and at last over more candidates, and takes the first of which the lower end of the
// interval reaches the wanted recall at k = 10 (and the mean all but a hundredth of it at k = 100). Where none does: the
// cheapest within 0.002 of the best, `reached` unset. REQUIRES: graphs. wanted_recall in (0, 1).
DefaultPolicy choose_policy(const Generation& generation, const CollectionOptions& options, const DeadSlots& dead,
                            const RecallQuestions& asked, double wanted_recall, unsigned threads);

// Whether walks had to be so wide that a graph of more links is worth its memory.
bool goes_deep(const DefaultPolicy& policy);

}  // namespace nestor::index
