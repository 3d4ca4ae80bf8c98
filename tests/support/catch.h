#pragma once
// The one place that knows which Catch2 is installed (2.13 on Debian 12, 3.x later).
#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif
