package dev.hydrallm.prompt;

import com.hubspot.jinjava.el.JinjavaInterpreterResolver;
import com.hubspot.jinjava.objects.collections.PyList;
import java.beans.FeatureDescriptor;
import java.util.Arrays;
import java.util.Collections;
import java.util.Iterator;
import java.util.List;
import java.util.Locale;
import java.util.regex.Pattern;
import jinjava.javax.el.CompositeELResolver;
import jinjava.javax.el.ELContext;
import jinjava.javax.el.ELException;
import jinjava.javax.el.ELResolver;
import org.jspecify.annotations.Nullable;

/** Gives strings in templates Python's methods and keeps Java's from them: {@code repeat} would be a bomb. */
final class TemplateMethods extends ELResolver {
    private static final String WHITESPACE = " \t\n\r\f\u000b";

    private TemplateMethods() {}

    /** The methods of strings, then the library's resolution of everything else. */
    static ELResolver resolver() {
        CompositeELResolver resolver = new CompositeELResolver();
        resolver.add(new TemplateMethods());
        resolver.add(JinjavaInterpreterResolver.DEFAULT_RESOLVER_READ_ONLY);
        return resolver;
    }

    @Override
    public @Nullable Object invoke(
            ELContext context, Object base, Object method, Class<?>[] types, Object @Nullable [] arguments) {
        if (!(base instanceof String text)) {
            return null;
        }
        context.setPropertyResolved(true);
        List<String> strings = arguments == null
                ? List.of()
                : Arrays.stream(arguments).map(String::valueOf).toList();
        return call(text, String.valueOf(method), strings);
    }

    private static Object call(String text, String method, List<String> arguments) {
        String first = arguments.isEmpty() ? WHITESPACE : arguments.getFirst();
        return switch (method + "/" + arguments.size()) {
            case "strip/0", "strip/1" -> trimEnd(trimStart(text, first), first);
            case "lstrip/0", "lstrip/1" -> trimStart(text, first);
            case "rstrip/0", "rstrip/1" -> trimEnd(text, first);
            case "startswith/1" -> text.startsWith(first);
            case "endswith/1" -> text.endsWith(first);
            case "upper/0" -> text.toUpperCase(Locale.ROOT);
            case "lower/0" -> text.toLowerCase(Locale.ROOT);
            case "title/0" ->
                Pattern.compile("\\p{L}+")
                        .matcher(text.toLowerCase(Locale.ROOT))
                        .replaceAll(word -> capital(word.group()));
            case "capitalize/0" -> capital(text.toLowerCase(Locale.ROOT));
            case "find/1" -> (long) text.indexOf(first);
            case "replace/2" -> replace(text, first, arguments.get(1));
            case "split/0" -> list(text.isBlank() ? new String[0] : text.strip().split("\\s+"));
            case "split/1" -> list(text.split(Pattern.quote(first), -1));
            case "split/2" -> list(text.split(Pattern.quote(first), Integer.parseInt(arguments.get(1)) + 1));
            default ->
                throw new ELException(
                        "strings in templates have no method " + method + " with " + arguments.size() + " arguments");
        };
    }

    private static String replace(String text, String old, String with) {
        // The length is bounded like any other text of a template; this is where it could grow first.
        if ((long) text.length() / Math.max(1, old.length()) * with.length() > 1 << 24) {
            throw new ELException("the text of a template's replace is too long");
        }
        return text.replace(old, with);
    }

    private static PyList list(String[] parts) {
        return new PyList(new java.util.ArrayList<>(List.of(parts)));
    }

    private static String capital(String word) {
        return word.isEmpty() ? word : word.substring(0, 1).toUpperCase(Locale.ROOT) + word.substring(1);
    }

    private static String trimStart(String text, String characters) {
        int start = 0;
        while (start < text.length() && characters.indexOf(text.charAt(start)) >= 0) {
            start++;
        }
        return text.substring(start);
    }

    private static String trimEnd(String text, String characters) {
        int end = text.length();
        while (end > 0 && characters.indexOf(text.charAt(end - 1)) >= 0) {
            end--;
        }
        return text.substring(0, end);
    }

    @Override
    public @Nullable Object getValue(ELContext context, @Nullable Object base, Object property) {
        if (base instanceof String && property instanceof String) {
            // A string has no attributes; asking for one gives nothing, as for any unknown name.
            context.setPropertyResolved(true);
        }
        return null;
    }

    @Override
    public Class<?> getType(ELContext context, @Nullable Object base, Object property) {
        return Object.class;
    }

    @Override
    public void setValue(ELContext context, @Nullable Object base, Object property, @Nullable Object value) {
        // Nothing is resolved here, so the next resolver is asked.
    }

    @Override
    public boolean isReadOnly(ELContext context, @Nullable Object base, Object property) {
        return true;
    }

    @Override
    public Iterator<FeatureDescriptor> getFeatureDescriptors(ELContext context, @Nullable Object base) {
        return Collections.emptyIterator();
    }

    @Override
    public Class<?> getCommonPropertyType(ELContext context, @Nullable Object base) {
        return Object.class;
    }
}
