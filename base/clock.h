/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef STEPDUMP_CLOCK_H
#define STEPDUMP_CLOCK_H

#include <stdint.h>

uint64_t now_us(void); /* CLOCK_MONOTONIC */

#endif
