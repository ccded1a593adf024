package dev.hydrallm.cli;

import java.util.Locale;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.IDefaultValueProvider;
import picocli.CommandLine.Model.ArgSpec;
import picocli.CommandLine.Model.OptionSpec;

/** Gives an option its value from the environment: {@code --max-tokens} from {@code HYDRA_MAX_TOKENS}. */
final class EnvironmentDefaults implements IDefaultValueProvider {
    private final Environment environment;

    /** Where variables come from. */
    @FunctionalInterface
    interface Environment {
        /** The value of a variable; null when it is not set. */
        @Nullable
        String get(String variable);
    }

    EnvironmentDefaults(Environment environment) {
        this.environment = environment;
    }

    @Override
    public @Nullable String defaultValue(ArgSpec argument) {
        if (!(argument instanceof OptionSpec option) || option.usageHelp() || option.versionHelp()) {
            return null;
        }
        String value = environment.get(variable(option));
        return value == null || value.isEmpty() ? null : value;
    }

    static String variable(OptionSpec option) {
        return "HYDRA_"
                + option.longestName().replaceFirst("^-+", "").replace('-', '_').toUpperCase(Locale.ROOT);
    }
}
