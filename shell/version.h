/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef STEPDUMP_VERSION_H
#define STEPDUMP_VERSION_H

#define STEPDUMP_VERSION "0.1"

#endif
