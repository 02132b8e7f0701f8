// SPDX-License-Identifier: Apache-2.0
// Boost.JSON's out-of-line part, compiled here once: with our flags the linker can drop what is not called,
// which keeps berth-shim small.
#include <boost/json/src.hpp>
