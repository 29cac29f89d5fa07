"use strict";

/* The desk works without this file. */
