/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: the bmsd authors */
#ifndef BMSD_READING_H
#define BMSD_READING_H

/* From now on, until it is closed, the connection is read ahead of what libmilter asks for. */
void reading_began(int connection);

#endif
