"use client";

/** What is used of React, imported at one place: a bundle that leaves React out names each function once. */

export { createContext, useContext, useEffect, useInsertionEffect, useMemo, useRef, useState, useSyncExternalStore } from "react";
