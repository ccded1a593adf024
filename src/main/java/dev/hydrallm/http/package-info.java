/** The OpenAI-compatible REST API, health and access: translates and delegates. The only package that knows HTTP. */
@NullMarked
package dev.hydrallm.http;

import org.jspecify.annotations.NullMarked;
