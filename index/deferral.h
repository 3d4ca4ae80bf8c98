#pragma once
// Learning when a second look pays (post-hoc deferral, Jitkrittum et al., arXiv 2307.02764): a regression of the loss
// that the wider gap would save, on what the walk knows when it reaches the narrower one.

#include <span>

#include "index/search_policy.h"

namespace nestor::index {

// Least squares of gains on features, with a small ridge (on standardised features) so that features that never vary or
// say the same do no harm. threshold and gap are left at 0. O(n). Throws Error invalid_argument when the lengths differ
// or there are no examples.
DeferralRule fit_deferral(std::span<const WalkFeatures> features, std::span<const float> gains);

}  // namespace nestor::index
